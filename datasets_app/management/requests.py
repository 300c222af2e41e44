"""daphne's request, which would take any body from anybody, and read a form of 50 GB into memory besides."""

from typing import Any, Protocol

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet import reactor as installed_reactor
from twisted.internet.threads import deferToThread

from datasets_app.management.multipart import Form, TooManyFiles, boundary_of

# Smaller forms are taken as they are.
FORM_BYTES = 1 << 20
# How long what still comes of a refused body is thrown away, so that the answer reaches who is still sending.
LINGER_SECONDS = 10.0

reactor: Any = installed_reactor


class Refusal(Protocol):
    status: int
    said: str


class Gate(Protocol):
    """Says which bodies are taken; `datasets_app.bodies` does."""

    def limit(self, path: str) -> int: ...
    def too_large(self, at_most: int) -> Any: ...
    def too_many_files(self) -> Any: ...
    def refusal(self, length: int, cookies: dict[str, str]) -> Any: ...


class Factory(HTTPFactory):  # type: ignore[misc]
    """Of the protocols of a server, whose requests go through its gate."""

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol


class Request(WebRequest):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._parsePOSTFormSubmission = False  # Django does, and not in memory
        self.content: Any = None
        self.is_refused = False
        self.at_most: int | None = None
        self.taken = 0

    def gotLength(self, length: int | None) -> None:
        """The head is here, nothing of the body is. Without a length there is no body, or one of unknown size."""
        super().gotLength(length)
        gate: Gate | None = self.server.gate
        if gate is None:
            return
        if (length or 0) > FORM_BYTES and (boundary := boundary_of(self._content_type())):
            self.content.close()
            self.content = Form(boundary)
        path = self.channel._path.partition(b"?")[0].decode("latin-1")
        self.at_most = gate.limit(path) if length is not None else FORM_BYTES
        if (length or 0) > self.at_most:
            self.refuse(gate.too_large(self.at_most))
        elif (length or 0) > FORM_BYTES:
            self._ask(gate, length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        self.taken += len(data)
        if self.is_refused:
            return
        if self.at_most is not None and self.taken > self.at_most:
            self.refuse(self.server.gate.too_large(self.at_most))
            return
        try:
            super().handleContentChunk(data)
        except TooManyFiles:
            self.refuse(self.server.gate.too_many_files())
            return
        if isinstance(self.content, Form) and self.content.tell() > (besides_files := self.server.gate.limit("")):
            self.refuse(self.server.gate.too_large(besides_files))

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self.is_refused:
            if isinstance(self.content, Form):
                self.content.finish()
            super().requestReceived(command, path, version)

    def refuse(self, refusal: Refusal) -> None:
        """Answer at once, and throw away what still comes."""
        self.is_refused = True
        self.content.close()
        said = f"{refusal.said}\n".encode()
        head = f"HTTP/1.1 {refusal.status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\n"
        transport = self.channel.transport
        transport.write(f"{head}Content-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode() + said)
        transport.loseWriteConnection()
        reactor.callLater(LINGER_SECONDS, transport.abortConnection)

    def _content_type(self) -> bytes:
        named: list[bytes] = self.requestHeaders.getRawHeaders(b"content-type", [b""])
        return named[0]

    def _ask(self, gate: Gate, length: int) -> None:
        """Let nothing in meanwhile."""
        cookies = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.received_cookies.items()}
        transport = self.channel.transport
        transport.pauseProducing()
        deferToThread(gate.refusal, length, cookies).addCallbacks(self._told, self._failed).addBoth(
            lambda _: transport.resumeProducing()
        )

    def _told(self, refusal: Refusal | None) -> None:
        if refusal and self.channel is not None:
            self.refuse(refusal)

    def _failed(self, failure: Any) -> None:
        """Of the database, most likely: the page's own request would fail likewise."""
        if self.channel is not None:
            self.channel.transport.abortConnection()
