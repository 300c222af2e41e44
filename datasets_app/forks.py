"""One child loads what several will need, and forks into them: they start as fast as one, and share its memory.

The child that forked ends; who started it becomes the parent of the others, as the kernel's "subreaper". Only Linux has
that; elsewhere nothing is forked, and every child loads for itself once it is asked for something.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, NamedTuple

CAN_FORK = sys.platform == "linux"
FORKS = "TOKENYARD_CHILD_FORKS"
PR_SET_CHILD_SUBREAPER = 36
LOOK_SECONDS = 0.01
REAP_SECONDS = 10.0
LONGEST_ANSWER = 1 << 12


class Forked:
    """A process that a child of ours forked: what `subprocess.Popen` is for those we start ourselves."""

    def __init__(self, pid: int, stdin: int, stdout: int) -> None:
        self.pid = pid
        self.stdin: BinaryIO = os.fdopen(stdin, "wb", buffering=0)
        self.stdout: BinaryIO = os.fdopen(stdout, "rb", buffering=0)
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float = REAP_SECONDS) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(LOOK_SECONDS)
        return code

    def kill(self) -> None:
        if self.poll() is None:  # until it is waited for, its number is nobody else's
            os.kill(self.pid, signal.SIGKILL)


class Ends(NamedTuple):
    """Of one forked process's pipes."""

    stdin: int
    stdout: int
    life: int

    def close(self) -> None:
        for end in self:
            os.close(end)


class Family:
    """The parent's side: pipes for `count` processes to come, and those processes once they are there."""

    def __init__(self, count: int) -> None:
        _adopt_orphans(True)
        pairs = [(os.pipe(), os.pipe(), os.pipe()) for _ in range(count)]
        self._theirs = [Ends(stdin[0], stdout[1], life[0]) for stdin, stdout, life in pairs]
        self._ours = [Ends(stdin[1], stdout[0], life[1]) for stdin, stdout, life in pairs]
        self._pids: list[int] | None = None
        self._first: tuple[subprocess.Popen[bytes], int] | None = None
        self._lock = threading.Lock()

    @property
    def passed(self) -> list[int]:
        """What the process that forks has to inherit."""
        return [end for ends in self._theirs for end in ends]

    @property
    def environment(self) -> dict[str, str]:
        return {FORKS: json.dumps(self._theirs)}

    def started(self, process: "subprocess.Popen[bytes]", life_pipe: int) -> None:
        """`process` has inherited the pipes and will fork."""
        self._first = process, life_pipe
        for ends in self._theirs:
            ends.close()

    def take(self, timeout: float) -> tuple[Forked, int] | None:
        """The next of them, with the pipe that keeps it alive; None if there is none, or none in time.

        The first one that is taken may have to be waited for.
        """
        with self._lock:
            if self._pids is None:
                self._pids = self._meet(timeout)
            if not self._pids:
                return None
            ends = self._ours.pop()
            return Forked(self._pids.pop(), ends.stdin, ends.stdout), ends.life

    def close(self) -> None:
        """End those that nobody took."""
        while taken := self.take(0):
            process, life_pipe = taken
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            os.close(life_pipe)

    def _meet(self, timeout: float) -> list[int]:
        assert self._first
        process, life_pipe = self._first
        assert process.stdout
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        said = os.read(process.stdout.fileno(), LONGEST_ANSWER) if poll.poll(timeout * 1000) else b""
        if not said:
            process.kill()
        process.communicate()  # from here on those that it forked are ours
        os.close(life_pipe)
        _adopt_orphans(False)
        if not said:
            for ends in self._ours:
                ends.close()
        pids: list[int] = json.loads(said) if said else []
        return pids


def fork_all(forks: Sequence[Sequence[int]], output: int) -> int:
    """The child's side: become as many processes as there are pipes, and end; `output` is told their numbers.

    Returns in each of the new ones, with its own standard input and output, the end of its life pipe. Nobody may have
    started a thread before.
    """
    pids = []
    for mine in (Ends(*ends) for ends in forks):
        pid = os.fork()
        if not pid:
            os.close(output)  # the parent reads it to its end
            return _settle(mine, forks)
        pids.append(pid)
    with suppress(BrokenPipeError):
        os.write(output, json.dumps(pids).encode())
    os._exit(0)


def _settle(mine: Ends, forks: Sequence[Sequence[int]]) -> int:
    # Whoever kept an end of another's pipes open would hide the other's death.
    os.dup2(mine.stdin, 0)
    os.dup2(mine.stdout, 1)
    for end in {end for ends in forks for end in ends} - {mine.life}:
        os.close(end)
    return mine.life


def _adopt_orphans(is_on: bool) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(is_on), 0, 0, 0)
