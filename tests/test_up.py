"""`manage.py up` for real: what dies comes back, and in the end nothing is left."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import psutil
import pytest
from django.core.management import CommandError

from datasets_app.management.commands.up import port_number
from tests.stack import ROOT, STOP_SECONDS, Client, Stack, is_alive, running_stack, wait_for

pytestmark = pytest.mark.stack

PROMISED_STOP_SECONDS = 10.0
LONGEST_SOCKET_PATH = 100
PARTS = {
    "web": ("web",),
    "worker-tokenize": ("worker", "tokenize"),
    "worker-import": ("worker", "import"),
    "keeper": ("keeper",),
}
REDIS_WRAPPER = ("datasets_app.management.redis_server",)


@pytest.fixture(scope="module")
def stack():
    with running_stack(REDIS_URL="") as running:
        yield running


def redis_server(stack: Stack) -> psutil.Process:
    def look() -> psutil.Process | None:
        return next(iter(stack.part(*REDIS_WRAPPER).children()), None)

    return wait_for(look, 20, "a Redis server")


def is_complete(stack: Stack) -> bool:
    """Each part is there once, and the server answers."""
    lines = [process.cmdline() for process in stack.family() if is_alive(process)]
    counts = [sum(all(word in line for word in words) for line in lines) for words in (*PARTS.values(), REDIS_WRAPPER)]
    return counts == [1] * len(counts) and stack.is_healthy()


def refused(stack: Stack, *options: str, **env: str) -> str:
    """What `up` says when it does not start: one line."""
    command = [sys.executable, "manage.py", "up", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.env | env, capture_output=True, text=True, check=False, timeout=STOP_SECONDS
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_part_comes_back_and_a_line_says_so(stack: Stack, name: str) -> None:
    victim = stack.part(*PARTS[name])

    victim.send_signal(signal.SIGKILL)

    wait_for(lambda: f"{name} was killed by signal 9; starting it again in" in stack.output.read_text(), 5)
    wait_for(lambda: is_complete(stack), 30, f"{name} again")
    assert not is_alive(victim)


@pytest.mark.parametrize("is_wrapper", [True, False])
def test_a_killed_redis_comes_back_with_what_it_knew(stack: Stack, is_wrapper: bool) -> None:
    import redis

    client = redis.Redis(unix_socket_path=str(stack.var / "redis.sock"))
    client.set("kept", "yes")
    time.sleep(1.2)  # written to its file once a second
    wrapper, server = stack.part(*REDIS_WRAPPER), redis_server(stack)

    (wrapper if is_wrapper else server).send_signal(signal.SIGKILL)

    wait_for(lambda: not is_alive(wrapper) and not is_alive(server), 5, "both to end")
    wait_for(lambda: is_complete(stack) and redis_server(stack), 30, "another server")
    wait_for(lambda: client.ping(), 5)
    assert client.get("kept") == b"yes"


def test_the_workers_work_again_after_redis_was_killed(stack: Stack, tmp_path: Path) -> None:
    redis_server(stack).send_signal(signal.SIGKILL)
    wait_for(lambda: is_complete(stack), 30)
    (tmp_path / "lines.txt").write_text("one\ntwo\n")

    stack.manage("import_dataset", f"after-{time.monotonic_ns()}", str(tmp_path / "lines.txt"), "--detach")

    wait_for(lambda: {job["status"] for job in stack.manage("list_datasets")} == {"ready"}, 30, "the import")


def test_a_second_start_on_the_same_state_is_refused(stack: Stack) -> None:
    line = refused(stack, "--port", "0")

    assert line == f"CommandError: Tokenyard already runs on {stack.var} (process {stack.process.pid}).\n"
    assert is_complete(stack)


def test_a_taken_port_is_said_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    line = refused(stack, "--port", str(stack.port), TOKENYARD_VAR=str(tmp_path))

    assert line.startswith(
        f"CommandError: Port {stack.port} is taken by another program: choose another one with --port"
    )
    assert not list(tmp_path.glob("log/*"))


@pytest.mark.parametrize("port", ["abc", "65536", "-1", "²"])
def test_a_wrong_port_is_said(port: str) -> None:
    with pytest.raises(CommandError, match="is no port: choose a number up to 65535"):
        port_number(port)


def test_the_link_signs_in_once_and_the_key_is_private(stack: Stack) -> None:
    link = stack.manage("signin_link", "admin", "--url", stack.url)["link"]

    page = Client(stack.url, link).get("/")
    with pytest.raises(HTTPError) as refusal:
        Client(stack.url, link)
    refusal.value.close()

    assert "<h1>Sign in" not in page
    assert refusal.value.code == HTTPStatus.GONE
    assert (stack.var / "secret.key").stat().st_mode & 0o777 == 0o600


def test_it_ends_in_time_and_leaves_nothing() -> None:
    with running_stack(REDIS_URL="") as stack:
        wait_for(lambda: is_complete(stack), 30)
        family = stack.family()
        began = time.monotonic()

        stack.process.send_signal(signal.SIGTERM)
        code = stack.process.wait(STOP_SECONDS)

        assert time.monotonic() - began < PROMISED_STOP_SECONDS
        assert code == 0
        assert not any(map(is_alive, family))
        assert stack.output.read_text().endswith("Tokenyard has stopped.\n")
        assert "starting it again" not in stack.output.read_text()
        stack.process = None


def test_after_a_kill_of_up_nothing_is_left_and_the_next_start_waits_for_that() -> None:
    with running_stack(REDIS_URL="") as stack:
        wait_for(lambda: is_complete(stack), 30)
        family = stack.family()

        stack.process.kill()
        stack.process.wait()
        stack.start()

        assert not any(map(is_alive, family))
        wait_for(lambda: is_complete(stack), 30)
        assert "as admin)" in stack.output.read_text()


def test_a_long_path_makes_redis_listen_on_a_port() -> None:
    with tempfile.TemporaryDirectory(prefix="yard-") as folder:
        var = Path(folder) / ("x" * LONGEST_SOCKET_PATH)
        var.mkdir()
        stack = Stack(var, {"REDIS_URL": "", "DATABASE_URL": ""})
        stack.start()
        try:
            port = int((var / "redis.port").read_text())
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                assert connection.recv(16) == b"+PONG\r\n"
        finally:
            stack.stop()
