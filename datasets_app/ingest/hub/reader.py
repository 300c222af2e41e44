"""Downloads one file: resumed from the bytes on disk, tried again with growing waits, and checked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from datasets_app.ingest.hub.connection import FIRST_ERROR, Answer, Clock, Connection
from datasets_app.ingest.hub.part_file import PartFile
from datasets_app.ingest.hub.refusals import (
    SERVER_ERRORS,
    TIMEOUT,
    TOO_MANY,
    HubError,
    RedirectRefused,
    host_of,
    rate_limited,
    unreachable,
    wait_asked_for,
)
from datasets_app.ingest.hub.remote import HubAccess, RemoteFile
from datasets_app.ingest.hub.waiting import LONGEST_WAIT_SECONDS, TRIES, WAITS_SECONDS, TryAgain, Waiting, wait

REPORT_SECONDS = 0.25
WHOLE, PART, OUT_OF_RANGE = 200, 206, 416
CONTENT_RANGE = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<all>\d+|\*)", re.ASCII)
GO_ON = "Try again later: what has come is kept. Where there is no way to the Hub, HF_ENDPOINT can name a mirror."
HTML_STARTS = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Received:
    """Bytes of the file that are on disk; `was_there` while those of an earlier call are counted."""

    bytes: int
    was_there: bool = False


@dataclass(frozen=True)
class Downloaded:
    path: Path
    bytes: int
    sha256: str


class WrongContent(Exception):
    """What comes is another file than the one that was looked up."""


def download(
    file: RemoteFile,
    target: Path,
    access: HubAccess,
    clock: Clock | None = None,
    longest_wait: float = LONGEST_WAIT_SECONDS,
) -> Iterator[Received | Waiting | Downloaded]:
    """Get a file; the last value is Downloaded. Bytes of an earlier call that was killed or gave up are used.

    Says something at least twice a second, except while the Hub itself is silent. Raises HubError, also when the Hub
    asks to wait for more than `longest_wait` seconds, and JobError for a full disk. Cancelling it is closing the
    iterator; what has come stays on disk for the next call.
    """
    clock = clock or Clock()
    with Connection(access, clock=clock) as connection, PartFile(file, target) as part:
        yield from _throttled((Received(there, was_there=True) for there in part.catch_up()), clock)
        if part.bytes:
            yield Received(part.bytes, was_there=True)
        yield from _get_right(_Download(connection, part, clock, longest_wait))
        part.finish()
        yield Downloaded(target, part.bytes, part.sha256)


def _get_right(download: "_Download") -> Iterator[Received | Waiting]:
    """Once more from the beginning when the content is wrong, but only once."""
    part = download.part
    for is_last in (False, True):
        try:
            yield from download.complete()
            if part.is_right:
                return
        except WrongContent:
            pass
        part.restart()
        if is_last:
            part.discard()
    raise HubError(
        f"{part.file.path} arrives damaged: its checksum is not the one that the Hub tells.",
        "Look the repository up again; if it stays so, tell its owner.",
    )


class _Download:
    def __init__(self, connection: Connection, part: PartFile, clock: Clock, longest_wait: float) -> None:
        self.connection, self.part, self.clock, self.longest_wait = connection, part, clock, longest_wait

    def complete(self) -> Iterator[Received | Waiting]:
        """Try until all bytes are there. A try that brought some does not count as a failed one."""
        failed = 0
        while self.part.bytes < self.part.file.bytes:
            before = self.part.bytes
            try:
                with self._troubles_told():
                    yield from self._fetch()
                trouble = TryAgain("the connection was cut")
            except TryAgain as again:
                trouble = again
            if self.part.bytes == self.part.file.bytes:
                return
            failed = 1 if self.part.bytes > before else failed + 1
            yield from self._wait(trouble, failed)

    def _wait(self, trouble: TryAgain, failed: int) -> Iterator[Waiting]:
        if failed == TRIES:
            raise unreachable(self.connection.endpoint, f"was tried {TRIES} times in vain: {trouble.why}", GO_ON)
        seconds = WAITS_SECONDS[failed - 1] if trouble.seconds is None else trouble.seconds
        if seconds > self.longest_wait:
            raise rate_limited(seconds)
        yield from wait(seconds, trouble.why, self.clock)

    @contextmanager
    def _troubles_told(self) -> Iterator[None]:
        """Turn what the HTTP library says into TryAgain, in words that hold nothing of a request."""
        try:
            yield
        except httpx2.TimeoutException:
            raise TryAgain("the Hub is silent") from None
        except httpx2.ConnectError:
            raise TryAgain("the Hub cannot be reached") from None
        except httpx2.TransportError:
            raise TryAgain("the connection was cut") from None
        except httpx2.InvalidURL:
            raise RedirectRefused("The Hub redirects to an address that is none.", "Try again later.") from None

    def _fetch(self) -> Iterator[Received]:
        part, address = self.part, self.part.file.address(self.connection.endpoint)
        headers = {"Range": f"bytes={part.bytes}-"} if part.bytes else {}
        if part.bytes and part.validator:
            headers["If-Range"] = part.validator
        with self.connection.open(address, headers) as answer:
            self._refuse_errors(answer.response)
            if self._begin(answer):
                yield from _throttled(self._append(answer.response), self.clock)

    def _refuse_errors(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status in (TIMEOUT, TOO_MANY) or status >= SERVER_ERRORS:
            why = "the Hub asks to wait" if status == TOO_MANY else f"the Hub answers with error {status}"
            raise TryAgain(why, wait_asked_for(response, self.clock.now()))
        if status == OUT_OF_RANGE:
            raise WrongContent
        if status >= FIRST_ERROR and not self.connection.is_hub(str(response.url)):
            raise TryAgain(f"the Hub’s storage answers with error {status}")  # its addresses are good for a while only
        self.connection.refuse_errors(response, self.part.file)
        if status not in (WHOLE, PART):
            raise TryAgain(f"the Hub answers with {status}")
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise self._html(response)

    def _begin(self, answer: Answer) -> bool:
        """Make ready for the bytes of this answer; False if they are of no use, and another has to be asked for."""
        part, response = self.part, answer.response
        etag, validator = _etag_of(answer.hub_headers), response.headers.get("ETag", "")
        if validator.startswith("W/") or not self.connection.is_hub(str(response.url)):
            validator = ""  # other hosts of the same storage may call the same content otherwise
        if part.bytes and (etag != part.etag or response.status_code == WHOLE):
            part.restart()
        if response.status_code == PART and _first_byte(response) != part.bytes:
            return False
        if _whole_length(response) not in (None, part.file.bytes):
            raise self._html(response) if _is_html(response) else WrongContent
        if not part.bytes:
            part.begin(etag, validator)
        return True

    def _append(self, response: httpx2.Response) -> Iterator[Received]:
        part = self.part
        for piece in response.iter_raw():
            if part.bytes + len(piece) > part.file.bytes:
                raise WrongContent
            part.append(piece)
            yield Received(part.bytes)

    def _html(self, response: httpx2.Response) -> HubError:
        self.part.restart()
        self.part.discard()
        return HubError(
            f"{host_of(str(response.url))} sends a web page instead of {self.part.file.path}.",
            "A proxy or a sign-in page may stand between this server and the Hub: tell who looks after the network.",
        )


def _etag_of(headers: httpx2.Headers) -> str:
    """What the Hub calls the content, be it stored here or elsewhere."""
    said = str(headers.get("X-Linked-Etag") or headers.get("ETag", ""))
    return said.removeprefix("W/").strip('"')


def _is_html(response: httpx2.Response) -> bool:
    return next(response.iter_raw(), b"").lstrip().lower().startswith(HTML_STARTS)


def _first_byte(response: httpx2.Response) -> int | None:
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(found["first"]) if found else None


def _whole_length(response: httpx2.Response) -> int | None:
    """The length of the whole file, as far as this answer tells it."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    said = str(found["all"] if found else response.headers.get("Content-Length", ""))
    return int(said) if said.isdigit() else None


def _throttled(received: Iterator[Received], clock: Clock) -> Iterator[Received]:
    told = clock.monotonic()
    for message in received:
        if clock.monotonic() - told >= REPORT_SECONDS:
            told = clock.monotonic()
            yield message
