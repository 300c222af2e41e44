"""What may go wrong with an answer. A fault is told to the Hub for a path, and how many times it happens."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Status:
    """Nothing but this status, and what may be wrong with the rest of it."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """The connection ends after so many bytes of the body."""

    after_bytes: int


@dataclass(frozen=True)
class Slow:
    """The body comes in pieces with pauses between them."""

    pause_seconds: float
    piece_bytes: int = 1024


@dataclass(frozen=True)
class Silent:
    """The answer as it should be, but only after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Unlike:
    """Another content than the one announced, of the same length unless told otherwise."""

    content: bytes | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Html:
    """A page, as a portal or a proxy sends it."""

    text: str = "<!doctype html><title>Sign in</title>"


@dataclass(frozen=True)
class Redirect:
    """To an address of its own, or, without one, to where the Hub keeps its large files."""

    location: str = ""
    code: int = 302


Fault = Status | Cut | Silent | Slow | Unlike | Html | Redirect
