"""The web server with a small application of its own: uploads stay on disk, and the end lets requests finish."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 2**20
UPLOAD_MEGABYTES = 300
SPARE_BYTES = 60 * MEGABYTE
WAIT_SECONDS = 20.0
APPLICATION = """
import asyncio, sys
from datasets_app.management.server import Server

async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await asyncio.sleep(float(scope["path"].strip("/") or 0))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})

Server.at("127.0.0.1", int(sys.argv[1]), application).run()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", APPLICATION, str(port)], cwd=ROOT)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.wait()


def get(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def megabytes(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * MEGABYTE


class Memory(threading.Thread):
    """The largest resident memory of a process while we look."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._is_over = threading.Event()
        self.start_bytes = self.peak_bytes = self._process.memory_info().rss

    def run(self) -> None:
        while not self._is_over.wait(0.02):
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)

    def growth(self) -> int:
        self._is_over.set()
        self.join()
        return self.peak_bytes - self.start_bytes


def test_a_large_upload_stays_out_of_memory() -> None:
    with serving() as (port, process), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        memory = Memory(process.pid)
        memory.start()

        size = {"Content-Length": str(UPLOAD_MEGABYTES * MEGABYTE)}
        connection.request("POST", "/", body=megabytes(UPLOAD_MEGABYTES), headers=size)
        answer = connection.getresponse().read()

        assert answer == str(UPLOAD_MEGABYTES * MEGABYTE).encode()
        assert memory.growth() < SPARE_BYTES


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 256 * 1024, 256 * 1024 + 1])
def test_a_body_arrives_whole(size: int) -> None:
    with serving() as (port, _), closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/", body=b"x" * size)

        assert connection.getresponse().read() == str(size).encode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_lets_a_request_finish_and_takes_no_new_one(number: signal.Signals) -> None:
    with serving() as (port, process):
        answers: list[tuple[int, bytes]] = []
        request = threading.Thread(target=lambda: answers.append(get(port, "/1")), daemon=True)
        request.start()
        time.sleep(0.4)

        process.send_signal(number)
        time.sleep(0.2)
        with pytest.raises(ConnectionRefusedError):
            get(port, "/")
        request.join(WAIT_SECONDS)

        assert answers == [(200, b"0")]
        assert process.wait(WAIT_SECONDS) == 0


def test_it_does_not_wait_for_ever() -> None:
    with serving() as (port, process):
        request = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
        request.request("GET", "/60")
        time.sleep(0.4)
        began = time.monotonic()

        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_SECONDS)
        request.close()

        assert time.monotonic() - began < 5


def test_an_open_socket_does_not_hold_it_up() -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    with serving() as (port, process), connect(f"ws://127.0.0.1:{port}/") as browser:
        began = time.monotonic()

        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as closed:
            browser.recv(timeout=WAIT_SECONDS)
        process.wait(WAIT_SECONDS)

        assert closed.value.rcvd is None  # cut off, which browsers see as 1006: they come back
        assert time.monotonic() - began < 3
