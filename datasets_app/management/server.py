"""daphne, with what it lacks: uploads that stay on disk, a gate before them, and an end that lets requests finish."""

import asyncio
import io
import signal
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache, partial
from types import FrameType
from typing import Any, BinaryIO

from autobahn.websocket.protocol import PreparedMessage, WebSocketProtocol
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server as DaphneServer
from twisted.internet import reactor as installed_reactor

from datasets_app.management import lifetime
from datasets_app.management.multipart import Form
from datasets_app.management.requests import Factory, Gate

CHUNK_BYTES = 256 * 1024
BACKLOG = 1024
HANDSHAKE_SECONDS = 10
PING_SECONDS = 20
PONG_SECONDS = 30
FRAME_BYTES = 64 * 1024
# That one client may leave lying here.
UNREAD_BYTES = 1 << 20
# As bytes on the wire; more than are sent at the same time.
FRAMES_KEPT = 16
DRAIN_SECONDS = 3.0
DRAIN_POLL_SECONDS = 0.05

reactor: Any = installed_reactor  # its declared type knows nothing of what it does
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Server(DaphneServer):  # type: ignore[misc]
    gate: Gate | None = None

    @classmethod
    def at(cls, host: str, port: int, application: Application, gate: Gate | None = None) -> "Server":
        """`gate` says which bodies are taken; without one all are."""
        endpoints = build_endpoint_description_strings(host=host, port=port)
        server = cls(
            application=bodies_from_disk(application),
            endpoints=[f"{endpoint}:backlog={BACKLOG}" for endpoint in endpoints],
            signal_handlers=False,
            websocket_timeout=-1,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            websocket_connect_timeout=HANDSHAKE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            websocket_max_message_size=FRAME_BYTES,
            websocket_max_frame_size=FRAME_BYTES,
            server_name="Tokenyard",
            ready_callable=None,
        )
        server.gate = gate
        return server

    def run(self) -> None:
        self.ports: list[Any] = []
        for number in lifetime.end_signals():
            signal.signal(number, self._told)
        super().run()

    @property
    def http_factory(self) -> Factory:
        return self._factory

    @http_factory.setter
    def http_factory(self, made: HTTPFactory) -> None:
        """Ours in the place of the one that daphne makes as it starts."""
        self._factory = Factory(self)

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    def create_application(self, protocol: Any, scope: Message) -> Any:
        """daphne would read the whole body into memory: hand the file over and leave it an empty one.

        A socket gets a short way out, for texts that go to very many.
        """
        if scope["type"] == "http":
            scope["body"], protocol.content = protocol.content, io.BytesIO()
            if isinstance(scope["body"], Form):
                scope["files"] = scope["body"].hand_over()
        else:
            scope["write"] = partial(write, protocol)
        return super().create_application(protocol, scope)

    def _told(self, number: int, frame: FrameType | None) -> None:
        lifetime.end_soon()
        reactor.callFromThread(self._end)

    def _end(self) -> None:
        """Take no new connections, let the requests in flight finish, then stop (browsers' sockets come back)."""
        for port in self.ports:
            port.stopListening()
        self._drain(time.monotonic() + DRAIN_SECONDS)

    def _drain(self, deadline: float) -> None:
        if any(map(self._is_in_flight, self.connections)) and time.monotonic() < deadline:
            reactor.callLater(DRAIN_POLL_SECONDS, self._drain, deadline)
        else:
            self.stop()

    def _is_in_flight(self, protocol: Any) -> bool:
        details = self.connections[protocol]
        return isinstance(protocol, WebRequest) and "application_instance" in details and "disconnected" not in details


def write(protocol: Any, text: str) -> None:
    """A text to an open socket, past what Channels, daphne and autobahn would do for each of a thousand."""
    if protocol.state != WebSocketProtocol.STATE_OPEN:
        return
    if len(protocol.transport.dataBuffer) + protocol.transport._tempDataLen > UNREAD_BYTES:
        protocol.transport.abortConnection()  # whatever it says of itself, it does not read
    else:
        write_now(protocol.transport, framed(text))


@lru_cache(maxsize=FRAMES_KEPT)
def framed(text: str) -> bytes:
    frame: bytes = PreparedMessage(text.encode(), isBinary=False, applyMask=False, doNotCompress=True).payloadHybi
    return frame


def write_now(transport: Any, frame: bytes) -> None:
    """Without waiting for the reactor to say that the socket is free, which it nearly always is."""
    if transport.dataBuffer or transport._tempDataBuffer or transport.disconnecting or not transport.connected:
        transport.write(frame)
        return
    written = transport.writeSomeData(frame)
    if not isinstance(written, int):
        transport.connectionLost(written)
    elif written < len(frame):
        transport.write(frame[written:])


def bodies_from_disk(application: Application) -> Application:
    async def serve(scope: Message, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
        body, files = scope.pop("body", None), scope.get("files", {})
        try:
            await application(scope, receive if body is None else body_then(body, receive), send)
        finally:
            for file in files.values():  # those that nobody took
                file.close()

    return serve


def body_then(body: BinaryIO, receive: Receive) -> Receive:
    async def read() -> Message:
        chunk = b"" if body.closed else body.read(CHUNK_BYTES)
        if not chunk:
            body.close()
            return await receive()  # the empty rest first, then the disconnect
        await asyncio.sleep(0)  # a large upload must not keep other requests waiting
        return {"type": "http.request", "body": chunk, "more_body": True}

    return read
