"""What the Hub writes down of each request, and whom it knows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """A request as it came in; `server` is "hub" or "cdn"."""

    server: str
    method: str
    path: str
    headers: dict[str, str]

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass(frozen=True)
class Reader:
    """Whoever has a token: the private and gated repositories that are open to them."""

    name: str
    repositories: frozenset[str] = frozenset()
