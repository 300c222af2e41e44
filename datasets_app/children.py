"""Work that may crash, hang or eat memory runs in a child process, which is watched and which speaks JSON lines."""

import fcntl
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from datasets_app.errors import JobError
from datasets_app.forks import CAN_FORK, FORKS, Family, Forked, fork_all
from datasets_app.masking import mask_stderr
from datasets_app.pandas_free import WithoutPandas

Message = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
GIB = 1 << 30
READ_BYTES = 1 << 16
REAP_SECONDS = 10.0
NICENESS = 5
LIFE_PIPE = "TOKENYARD_CHILD_LIFE_PIPE"
ADDRESS_SPACE = "TOKENYARD_CHILD_ADDRESS_SPACE"
# pyarrow hangs and fastokens aborts under a tight address-space limit: it only backs up the watch over resident memory.
ADDRESS_SPACE_FLOOR = 8 * GIB
ONE_THREAD = {
    "TOKENIZERS_PARALLELISM": "false",
    "FASTOKENS_BPE_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# It says on standard error that it cannot train without PyTorch, which nobody here wants.
QUIET = {"TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}


class ChildDied(Exception):
    """The child ended, or was ended, in the middle of a request; the text says why, as the end of a sentence."""


class Child:
    """A child process that answers one request at a time and is kept between requests.

    Not for two threads at once. Nothing is started before the first `run`.
    """

    def __init__(self, module: str, *, memory_limit_bytes: int, silence_seconds: float = 60.0) -> None:
        self.module = module
        self.memory_limit_bytes = memory_limit_bytes
        self.silence_seconds = silence_seconds
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._life_pipe = -1
        self._unread = b""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def run(self, request: Message, *, poll_seconds: float = 0.25) -> Generator[Message | None, None, None]:
        """Yield the child's messages as they come, and None whenever `poll_seconds` passed without one.

        Ends after `{"done": ...}`. Raises JobError for a failure that the child explains, and ChildDied when it
        crashed, was silent too long or used too much memory. Closing the generator early kills the child, and so
        does any other exception: a half-done request never leaks into the next one.
        """
        try:
            last = yield from self._converse(request, poll_seconds)
        except BaseException:
            self.close()
            raise
        # The child is idle again: from here on it is kept, also when nobody asks for more.
        if "failed" in last:
            failure = JobError(last["failed"], last.get("advice", ""))
            failure.kind = last.get("kind", "")
            raise failure
        yield last

    def close(self) -> None:
        """Kill and reap the child, if there is one."""
        process, self._process, self._unread = self._process, None, b""
        if process is None:
            return
        process.kill()
        process.wait(REAP_SECONDS)
        for pipe in (process.stdin, process.stdout):
            assert pipe
            pipe.close()
        os.close(self._life_pipe)

    def _converse(self, request: Message, poll_seconds: float) -> Generator[Message | None, None, Message]:
        # Returns the message with which the child ended the request.
        self._send(request)
        heard = checked = time.monotonic()
        while True:
            line = self._read_line(poll_seconds)
            now = time.monotonic()
            if now - checked >= poll_seconds:
                self._check_memory()
                checked = now
            if line is None:
                if now - heard > self.silence_seconds:
                    raise ChildDied(f"finished nothing in {self.silence_seconds:g} s")
                yield None
                continue
            heard = now
            message: Message = json.loads(line)
            if "failed" in message or "done" in message:
                return message
            yield message

    def _send(self, request: Message) -> None:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        process = self._process
        assert process
        assert process.stdin
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._why_it_ended() from None

    def _start(self) -> None:
        early = _early.get((self.module, self.memory_limit_bytes))
        if taken := early.take(self.silence_seconds) if early else None:
            self._process, self._life_pipe = taken
        else:
            self._process, self._life_pipe = _launch(self.module, self.memory_limit_bytes)

    def _read_line(self, timeout: float) -> bytes | None:
        # The next whole line; None when there was none for `timeout` seconds.
        assert self._process
        assert self._process.stdout
        deadline = time.monotonic() + timeout
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            # poll(), because select() refuses descriptors over 1023, which a busy server reaches.
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            data = os.read(pipe, READ_BYTES)
            if not data:
                raise self._why_it_ended()
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _check_memory(self) -> None:
        assert self._process
        import psutil  # which the child has no use for

        try:
            used = psutil.Process(self._process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return  # the pipe will say so
        if used > self.memory_limit_bytes:
            allowed = self.memory_limit_bytes / GIB
            raise ChildDied(f"used {used / GIB:.1f} GB of memory, more than the {allowed:g} GB allowed")

    def _why_it_ended(self) -> ChildDied:
        assert self._process
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return ChildDied("closed its output")
        return ChildDied(f"was killed by signal {-code}" if code < 0 else f"exited with {code}")


def start_early(module: str, memory_limit_bytes: int, count: int, advance: Message | None = None) -> None:
    """Let the first `count` children of this kind load while their parent still does; they end with it, used or not.

    `advance` is a request that is answered before they part, and whose answer nobody hears.
    """
    if not CAN_FORK:
        return
    family = Family(count)
    process, life_pipe = _launch(module, memory_limit_bytes, family)
    assert process.stdin
    with suppress(BrokenPipeError):  # whoever asks for more will find out why
        process.stdin.write(json.dumps(advance).encode() + b"\n")
    family.started(process, life_pipe)
    _early[module, memory_limit_bytes] = family


def end_early() -> None:
    """Those that were started early and that nobody came to need."""
    while _early:
        _early.popitem()[1].close()


# By module and memory limit.
_early: dict[tuple[str, int], Family] = {}


def _launch(
    module: str, memory_limit_bytes: int, family: Family | None = None
) -> tuple["subprocess.Popen[bytes]", int]:
    life_end, life_pipe = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module],
            bufsize=0,
            cwd=ROOT,
            env=_environment(life_end, memory_limit_bytes) | (family.environment if family else {}),
            pass_fds=[life_end, *(family.passed if family else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except BaseException:
        os.close(life_pipe)
        raise
    finally:
        os.close(life_end)
    return process, life_pipe


def _environment(life_end: int, memory_limit_bytes: int) -> dict[str, str]:
    python_path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {
        "PYTHONPATH": os.pathsep.join(python_path),
        LIFE_PIPE: str(life_end),
        ADDRESS_SPACE: str(max(ADDRESS_SPACE_FLOOR, 2 * memory_limit_bytes)),
    }
    return os.environ | ONE_THREAD | QUIET | own


def serve(handle: Callable[[Message], Iterator[Message]]) -> NoReturn:
    """The child's side: answer requests with the messages of `handle`, until the parent is gone.

    A JobError becomes `{"failed", "advice", "kind"}`; anything else, a Rust panic included, ends the process.
    """
    _limit_this_process()
    sys.meta_path.insert(0, WithoutPandas())
    if forks := os.environ.pop(FORKS, ""):
        _part(handle, json.loads(forks))
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=[requests], daemon=True).start()
    # Nothing native that prints may break the protocol: it gets standard error as its standard output.
    protocol = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    mask_stderr()
    sys.stdout = sys.stderr
    try:
        while True:
            for message in _answer(handle, json.loads(requests.get())):
                protocol.write(json.dumps(message).encode() + b"\n")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _part(handle: Callable[[Message], Iterator[Message]], forks: list[list[int]]) -> None:
    # Returns in the children. What is native and prints while it loads must not pass for the answer.
    output = os.dup(1)
    os.dup2(2, 1)
    advance = json.loads(sys.stdin.buffer.readline() or "null")
    for _ in handle(advance) if advance else ():
        pass
    _die_with_the_parent(fork_all(forks, output))


def _answer(handle: Callable[[Message], Iterator[Message]], request: Message) -> Iterator[Message]:
    try:
        yield from handle(request)
    except JobError as error:
        yield {"failed": str(error), "advice": error.advice, "kind": error.kind}


def _read_requests(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)  # the parent is gone, however it went; there is nobody to finish the batch for


def _limit_this_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(os.environ[ADDRESS_SPACE])
    if most == resource.RLIM_INFINITY or wanted < most:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    _die_with_the_parent(int(os.environ[LIFE_PIPE]))


def _die_with_the_parent(life_end: int) -> None:
    # The reader thread needs the GIL, which native code that hangs may hold. The kernel needs nothing: when the last
    # writer of this pipe is gone, it sends SIGIO, whose default is to end the process.
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(life_end, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life_end, fcntl.F_SETFL, fcntl.fcntl(life_end, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life_end], [], [], 0)[0]:
        os._exit(0)  # it was gone before we listened
