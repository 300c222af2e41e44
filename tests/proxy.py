"""A proxy between tabs and the web server: it cuts, silences and refuses connections, and mangles frames."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

TEXT = 1
OPCODE, LENGTH = 0x0F, 0x7F
LONGER = {126: 2, 127: 8}
HEAD_END = b"\r\n\r\n"
PIECE_BYTES = 1 << 16


class Proxy:
    """Runs in a thread of its own. What is set here holds for the frames and the sockets from then on."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.random = random.Random(seed)
        self.mangles = False
        self.refuses_sockets = False
        self.refuses_all = False
        self.bytes_a_second = 0  # of what comes from the tabs; 0 is as fast as it goes
        self.frames = 0
        self.harmed = 0
        self._sockets: set[asyncio.StreamWriter] = set()
        self._silenced: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def start(self) -> None:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut_sockets(self) -> None:
        """Every open WebSocket ends without a closing frame, as when a network goes away."""
        self._loop.call_soon_threadsafe(abort, self._sockets)

    def cut_all(self) -> None:
        self._loop.call_soon_threadsafe(abort, self._connections)

    def silence_sockets(self) -> None:
        """Nothing comes out of the open WebSockets any more, and they do not end either. New ones are as usual."""
        self._silenced |= self._sockets

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._connections.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            self._connections.discard(writer)
            self._sockets.discard(writer)
            self._silenced.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(HEAD_END)
        is_socket = b"upgrade: websocket" in head.lower()
        if self.refuses_all:
            return
        if is_socket and self.refuses_sockets:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close" + HEAD_END)
            await writer.drain()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            server_writer.write(head)
            answers = self._socket(server_reader, writer) if is_socket else pour(server_reader, writer)
            await either(answers, pour(reader, server_writer, self.bytes_a_second))
        finally:
            server_writer.close()

    async def _socket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(HEAD_END))
        self._sockets.add(writer)
        treat = self._treatment()
        async for frame in frames(reader):
            if writer not in self._silenced:
                writer.writelines(treat(frame))
                await writer.drain()

    def _treatment(self) -> Callable[[bytes], Iterator[bytes]]:
        """Of one socket: every second frame is lost, doubled, or kept back until the one after it has gone."""
        late: list[bytes] = []
        number = self.random.randrange(2)

        def treat(frame: bytes) -> Iterator[bytes]:
            nonlocal number
            if frame[0] & OPCODE != TEXT or not self.mangles:
                yield frame
                return
            self.frames += 1
            number += 1
            if number % 2:
                yield from (frame, *late)
                late.clear()
                return
            self.harmed += 1
            fate = self.random.choice(("lost", "doubled", "late"))
            if fate == "doubled":
                yield from (frame, frame)
            elif fate == "late":
                late.append(frame)

        return treat


def abort(writers: set[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """A server's frames are not masked, and ours are neither compressed nor in fragments."""
    while True:
        frame = await reader.readexactly(2)
        size = frame[1] & LENGTH
        if size in LONGER:
            length = await reader.readexactly(LONGER[size])
            frame, size = frame + length, int.from_bytes(length)
        yield frame + await reader.readexactly(size)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bytes_a_second: int = 0) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
        if bytes_a_second:
            await asyncio.sleep(len(piece) / bytes_a_second)


async def either(*ways: "asyncio._CoroutineLike[None]") -> None:
    """Both ways, until one of them ends."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def proxy_before(port: int, seed: int = 0) -> Iterator[Proxy]:
    proxy = Proxy(port, seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
