"""One signed-in browser without a screen, over one connection that stays open."""

import gzip
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20.0
OK = 200
FRAGMENT = {"HX-Request": "true"}


@dataclass(frozen=True)
class Answer:
    """`seconds` until the last byte; `sent` are the bytes of the body as they came."""

    seconds: float
    sent: int
    body: bytes


class Visitor:
    def __init__(self, url: str, cookie: str) -> None:
        address = urlsplit(url)
        self.connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
        self.headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        began = time.perf_counter()
        self.connection.request("GET", path, headers={**self.headers, **(headers or {})})
        response = self.connection.getresponse()
        sent = response.read()
        seconds = time.perf_counter() - began
        if response.status != OK:
            raise RuntimeError(f"{path} was answered with {response.status}.")
        is_packed = response.getheader("Content-Encoding") == "gzip"
        return Answer(seconds, len(sent), gzip.decompress(sent) if is_packed else sent)
