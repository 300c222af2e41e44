"""Very many browser tabs in one process: bare sockets under one epoll, so that the clients cost next to nothing.

Of each fragment that comes, the tab, the moment and the version are kept; of the frames only the last of each tab.
"""

import argparse
import base64
import os
import re
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bench.peer import say

HANDSHAKES_AT_ONCE = 100
READ_BYTES = 1 << 16  # more would have each read map fresh memory
SILENT_BUFFER_BYTES = 4096
MOMENT_SECONDS = 0.05
HEAD_ENDS = b"\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 "
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
TWO_BYTES, EIGHT_BYTES = 126, 127  # instead of a length of up to 125: the length follows
# As static/live.js does, a tab acknowledges each beat by its number.
BEAT = re.compile(rb'\{"beat": (\d+)')
VERSION = re.compile(rb'data-version="(\d+)"')


class Tab:
    __slots__ = ("close_code", "html", "is_joined", "is_switched", "number", "rest", "seen", "socket")

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number, self.socket = number, connection
        self.is_switched = self.is_joined = False
        self.close_code: int | None = None
        self.seen = 0
        self.rest = self.html = b""

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """The whole frames that have come, as opcode and payload."""
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self.close_code = self.close_code or 0
            return
        if self.rest:
            data, self.rest = self.rest + data, b""
        yield from self.frames(data if self.is_switched else self.switched(data))

    def switched(self, data: bytes) -> bytes:
        """What follows the answer to the handshake."""
        head, end, after = data.partition(HEAD_ENDS)
        if not end:
            self.rest = data
            return b""
        self.is_switched = True
        if not head.startswith(SWITCHED):
            self.close_code = 0
        return after

    def frames(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        position, size = 0, len(data)
        while size - position >= 2:
            start, length = position + 2, data[position + 1]
            if length >= TWO_BYTES:
                start += 2 if length == TWO_BYTES else 8
                length = int.from_bytes(data[position + 2 : start], "big")
            if start + length > size:
                break
            yield data[position] & 0x0F, data[start : start + length]
            position = start + length
        self.rest = self.rest or data[position:]

    def send(self, opcode: int, payload: bytes) -> None:
        """Masked with zeros, which changes nothing. A socket that is gone shows when it is read."""
        with suppress(OSError):
            self.socket.send(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)


class Arrivals:
    """Which version of the fragment came to which tab, and when."""

    def __init__(self, fragment: str) -> None:
        self.mark = f'id="{fragment}"'.encode()
        self.tabs, self.moments, self.versions = array("l"), array("d"), array("q")

    def note(self, tab: Tab, payload: bytes, moment: float) -> None:
        at = payload.find(self.mark)
        if at >= 0 and (version := VERSION.search(payload, at)):
            tab.html = payload
            self.tabs.append(tab.number)
            self.moments.append(moment)
            self.versions.append(int(version[1]))

    def save(self, path: Path) -> None:
        np.savez(path, tabs=self.tabs, moments=self.moments, versions=self.versions)


class Browsers:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.silent = round(options.tabs * options.silent_share)
        self.arrivals = Arrivals(options.fragment)
        self.epoll = select.epoll()
        self.tabs: dict[int, Tab] = {}
        self.unopened = deque(range(options.tabs))
        self.joining: set[Tab] = set()
        self.began = time.monotonic()
        self.is_said = False

    def run(self) -> None:
        """Join, say so, and stay until there is something on standard input."""
        self.epoll.register(sys.stdin, select.EPOLLIN)
        while self.read():
            self.open_some()
            self.say_once_joined()

    def read(self) -> bool:
        """Whatever has come, or comes within a moment. False: the bench wants to hear the results."""
        for number, _ in self.epoll.poll(MOMENT_SECONDS):
            if number == sys.stdin.fileno():
                return False
            self.hear(self.tabs[number])
        return True

    def hear(self, tab: Tab) -> None:
        moment = time.monotonic()
        for opcode, payload in tab.receive():
            if opcode == TEXT:
                self.take(tab, payload, moment)
            elif opcode == PING:
                tab.send(PONG, payload)
            elif opcode == CLOSE:
                tab.close_code = int.from_bytes(payload[:2], "big")
        if tab in self.joining:
            self.see_whether_joined(tab)
        if tab.close_code is not None:
            self.epoll.unregister(tab.socket)
            tab.socket.close()

    def take(self, tab: Tab, payload: bytes, moment: float) -> None:
        tab.seen += 1
        if beat := BEAT.match(payload):
            tab.send(TEXT, b'{"beat": %s}' % beat[1])
        else:
            tab.is_joined = True
            self.arrivals.note(tab, payload, moment)

    def see_whether_joined(self, tab: Tab) -> None:
        if tab.number < self.silent and tab.is_switched and tab.close_code is None:
            tab.is_joined = True
            self.epoll.unregister(tab.socket)  # from here on it never reads
        if tab.is_joined or tab.close_code is not None:
            self.joining.remove(tab)

    def open_some(self) -> None:
        while self.unopened and len(self.joining) < HANDSHAKES_AT_ONCE:
            self.open(self.unopened.popleft())

    def open(self, number: int) -> None:
        address = urlsplit(self.options.url)
        connection = socket.socket()
        if number < self.silent:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SILENT_BUFFER_BYTES)
        connection.connect((address.hostname, address.port))
        connection.sendall(handshake(self.options.url, self.options.cookies[number % len(self.options.cookies)]))
        connection.setblocking(False)
        tab = self.tabs[connection.fileno()] = Tab(number, connection)
        self.joining.add(tab)
        self.epoll.register(connection, select.EPOLLIN)

    def say_once_joined(self) -> None:
        """Or once it has taken too long."""
        spent = time.monotonic() - self.began
        if not self.is_said and (not (self.unopened or self.joining) or spent > self.options.join_seconds):
            self.is_said = True
            say(joined=sum(tab.is_joined for tab in self.tabs.values()), seconds=spent)

    def results(self) -> dict[str, object]:
        readers = [tab for tab in self.tabs.values() if tab.number >= self.silent]
        held = Counter(element(tab.html.decode(), self.options.fragment) for tab in readers)
        return {
            "different": len(readers) - max(held.values(), default=0),
            "closed": Counter(tab.close_code for tab in readers if tab.close_code is not None),
            "frames": sum(tab.seen for tab in readers),
        }


def handshake(url: str, cookie: str) -> bytes:
    address = urlsplit(url)
    lines = [
        f"GET {address.path}?{address.query} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Origin: http://{address.netloc}",
        f"Cookie: {cookie}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    return "\r\n".join(lines).encode() + HEAD_ENDS


def element(html: str, name: str) -> str:
    """The element of this id, alone; empty if it is not there."""
    begins = re.search(rf'<(\w+)[^>]*\bid="{name}"', html)
    if begins is None:
        return ""
    depth = 0
    for tag in re.finditer(rf"<(/?){begins[1]}\b", html[begins.start() :]):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return html[begins.start() : begins.start() + tag.start()]
    return ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--cookies", nargs="+", required=True)
    parser.add_argument("--fragment", required=True, help="the id of the element that is watched")
    parser.add_argument("--tabs", type=int, required=True)
    parser.add_argument("--silent-share", type=float, default=0.0)
    parser.add_argument("--join-seconds", type=float, required=True, help="after which it is said who has joined")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    options = parse()
    browsers = Browsers(options)
    browsers.run()
    browsers.arrivals.save(options.out)
    say(**browsers.results())


if __name__ == "__main__":
    main()
