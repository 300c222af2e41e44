"""Requests to the Hub, and to the hosts where it keeps large files. The token goes to the Hub alone."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from datasets_app.ingest.hub.refusals import (
    TRY_LATER,
    UNAUTHORIZED,
    HubError,
    RedirectRefused,
    invalid_token,
    refusal_of,
    unreachable,
)
from datasets_app.ingest.hub.remote import HubAccess, RemoteFile

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_REDIRECTS = 5
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
LEAST_SECONDS = 0.1
FIRST_ERROR = 400
USER_AGENT = "tokenyard"
# Anything else would end up in the text of an exception of the HTTP library.
TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Clock:
    """`now` is the time of day in seconds, for dates in answers."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time


class Answer(NamedTuple):
    """The last answer, and the headers of the first one, which is the Hub's own."""

    response: httpx2.Response
    hub_headers: httpx2.Headers


class Connection:
    """To be used by `with`. `deadline`, by the monotonic clock, is when everything read through it has to be there."""

    def __init__(
        self,
        access: HubAccess,
        *,
        deadline: float | None = None,
        read_seconds: float = READ_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        token = access.token
        if token is not None and not TOKEN.fullmatch(token):
            raise invalid_token()
        self.access, self.endpoint = access, access.endpoint
        self.clock = clock or Clock()
        self.has_token = token is not None
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._deadline = deadline
        self._read_seconds = read_seconds
        self._client = httpx2.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    @contextmanager
    def open(self, address: str, headers: dict[str, str] | None = None) -> Iterator[Answer]:
        """GET, following redirects by hand. Raises RedirectRefused, and httpx2's own errors."""
        hub_headers: httpx2.Headers | None = None
        for _ in range(MOST_REDIRECTS):
            own = self._authorization if self.is_hub(address) else {}
            request = self._client.build_request(
                "GET", address, headers={**(headers or {}), **own}, timeout=self.timeout()
            )
            response = self._client.send(request, stream=True)
            try:
                hub_headers = response.headers if hub_headers is None else hub_headers
                if not response.has_redirect_location:
                    yield Answer(response, hub_headers)
                    return
                address = self.redirected(address, response.headers["Location"])
            finally:
                response.close()
        raise RedirectRefused("The Hub redirects in a circle.", "Tell who looks after this server.")

    def is_hub(self, address: str) -> bool:
        return origin(address) == origin(self.endpoint)

    def redirected(self, address: str, location: str) -> str:
        """Where a redirect leads. Raises RedirectRefused unless that is the Hub or an allowed host, no less safely."""
        try:
            target = urljoin(address, location)
            parts = urlsplit(target)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _refused("an address that is none") from None
        if parts.scheme not in DEFAULT_PORTS or (urlsplit(address).scheme, parts.scheme) == ("https", "http"):
            raise _refused(f"an address without encryption at {host}")
        is_plain = port in (None, DEFAULT_PORTS[parts.scheme])
        names = [f"{host}:{port}", *([host] if is_plain else [])]
        is_allowed = any(fnmatchcase(name, pattern) for name in names for pattern in self.access.allowed_hosts)
        if "@" in parts.netloc or not (is_allowed or self.is_hub(target)):
            raise _refused(parts.netloc.rpartition("@")[2])
        return target

    def read(self, file: RemoteFile, most_bytes: int, first: int = 0, length: int | None = None) -> bytes:
        """Part of a file, by default from its beginning; never more than `most_bytes`. Raises HubError."""
        wanted = most_bytes if length is None else min(length, most_bytes)
        if not wanted or first >= file.bytes:
            return b""
        headers = {"Range": f"bytes={first}-{min(first + wanted, file.bytes) - 1}"}
        try:
            with self.open(file.address(self.endpoint), headers) as answer:
                self.refuse_errors(answer.response, file)
                skipped = 0 if answer.response.status_code == httpx2.codes.PARTIAL_CONTENT else first
                if skipped > most_bytes:
                    raise HubError("The Hub gives files only as a whole, so that there is no preview.", "")
                return self._read(answer.response, skipped + wanted)[skipped:]
        except httpx2.HTTPError as error:
            raise self.no_answer(error) from None

    def _read(self, response: httpx2.Response, wanted: int) -> bytes:
        read = bytearray()
        for piece in response.iter_raw():
            read += piece
            self.check_deadline()
            if len(read) >= wanted:
                break
        return bytes(read[:wanted])

    def timeout(self) -> httpx2.Timeout:
        """How long a request may be silent; it does not outlast the deadline."""
        left = float("inf") if self._deadline is None else max(LEAST_SECONDS, self._deadline - self.clock.monotonic())
        return httpx2.Timeout(min(self._read_seconds, left), connect=min(CONNECT_SECONDS, left))

    def no_answer(self, error: httpx2.HTTPError) -> HubError:
        if isinstance(error, httpx2.ReadTimeout):
            return unreachable(self.endpoint, "does not answer", TRY_LATER)
        return unreachable(self.endpoint)

    def check_deadline(self) -> None:
        if self._deadline is not None and self.clock.monotonic() > self._deadline:
            raise unreachable(self.endpoint, "answers too slowly")

    def refuse_errors(self, response: httpx2.Response, file: RemoteFile) -> None:
        """Raises HubError for an answer over 399."""
        if response.status_code >= FIRST_ERROR:
            raise self.refusal(response, file)

    def refusal(self, response: httpx2.Response, file: RemoteFile) -> HubError:
        return refusal_of(
            response,
            file.repository,
            file.revision,
            self.endpoint,
            has_token=self.has_token,
            token_is_valid=self.token_is_valid,
            now=self.clock.now(),
        )

    def token_is_valid(self) -> bool:
        """Only a clear no of the Hub is one."""
        try:
            with self.open(f"{self.endpoint}/api/whoami-v2") as answer:
                return answer.response.status_code != UNAUTHORIZED
        except (httpx2.HTTPError, RedirectRefused):
            return True


def origin(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)


def _refused(where: str) -> RedirectRefused:
    return RedirectRefused(
        f"The Hub redirects to {where}, where this server does not go.",
        "Whoever looks after this server can add the host to the allowed ones, if it is the Hub’s.",
    )
