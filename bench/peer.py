"""A process of the bench that answers JSON lines with JSON lines, and ends when its standard input does."""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 90.0
END_SECONDS = 10.0
READ_BYTES = 1 << 16

Message = dict[str, Any]


class Peer:
    def __init__(self, module: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.module = module
        # A session of its own: Ctrl-C is for the bench, which then ends its peers.
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._unread = b""

    def ask(self, do: str, within: float = ANSWER_SECONDS, **arguments: Any) -> Message:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer(within)

    def answer(self, within: float) -> Message:
        """TimeoutError if it does not come in time."""
        while b"\n" not in self._unread:
            self._unread += self._read(within)
        line, _, self._unread = self._unread.partition(b"\n")
        return dict(json.loads(line))

    def _read(self, within: float) -> bytes:
        assert self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(within):
                raise TimeoutError(f"{self.module} did not answer within {within:g} s.")
        if not (data := os.read(self.process.stdout.fileno(), READ_BYTES)):
            raise RuntimeError(f"{self.module} has ended (its last words are above).")
        return data

    def end(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(END_SECONDS)
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def peer(module: str, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Peer]:
    started = Peer(module, *arguments, env=env)
    try:
        yield started
    finally:
        started.end()


def serve(handlers: dict[str, Callable[..., Message]]) -> None:
    """Answer each line of standard input with the handler that its `do` names, until there is none."""
    for line in sys.stdin:
        message = json.loads(line)
        say(**handlers[message.pop("do")](**message))


def say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)
