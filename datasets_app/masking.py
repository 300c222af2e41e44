"""No token is ever read in a log, an event or a page: what looks like one, or is known to be one, is masked."""

import io
import logging
import re
import sys
from urllib.parse import quote

MASK = "…"
# A token as the Hub makes them, with a kind of its own in front (hf_oauth_…) or without; and what a request carries.
TOKEN = re.compile(r"(hf|api_org)_(?:(?:oauth|jwt)_[\w.-]+|[A-Za-z0-9]{16,})", re.ASCII)
BEARER = re.compile(r"(bearer)(\s+|%20)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

_known: tuple[str, ...] = ()


def masked(text: str) -> str:
    for secret in _known:
        text = text.replace(secret, MASK)
    text = TOKEN.sub(rf"\1_{MASK}", text)
    return BEARER.sub(rf"\1\2{MASK}", text)


def hide(secret: str) -> None:
    """From now on this process masks `secret` too, which need not look like a token."""
    global _known
    if not TOKEN.fullmatch(secret):
        # The longest first: one may begin with another. A new tuple, as other threads may be masking.
        _known = tuple(sorted({*_known, secret, quote(secret, safe="")}, key=len, reverse=True))


class Formatter(logging.Formatter):
    """Masks the whole line: message, arguments, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class MaskedStream(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        super().write(masked(text))
        return len(text)


def mask_stderr() -> None:
    """For what no formatter of ours sees: tracebacks of what nobody caught, warnings, handlers that libraries add."""
    if sys.stderr is not None and not isinstance(sys.stderr, MaskedStream):
        sys.stderr = MaskedStream(
            sys.stderr.buffer, sys.stderr.encoding, "backslashreplace", line_buffering=True, write_through=True
        )
