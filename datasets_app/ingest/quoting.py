"""Where the records of a delimited file end: not at a line break within quotes."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from datasets_app.ingest.blocks import Cut, Places

QUOTE = ord('"')
REST_OF_VALUE = re.compile(rb'[^"]*+(?:""[^"]*+)*+("|\Z)')
SPANS_REMEMBERED = 1000


class Span(NamedTuple):
    """A quoted value."""

    start: int
    end: int
    is_closed: bool


def cut_after_record(data: bytes, delimiter: bytes) -> Cut:
    quotes = _regular_quotes(data, delimiter)
    return Cut(_cut_slowly(data, delimiter)) if quotes is None else _cut(data, quotes)


def unclosed_quote(data: bytes, delimiter: bytes) -> int | None:
    """Where the quote stands that nothing closes before the end of the file, if there is one."""
    quotes = _regular_quotes(data, delimiter)
    if quotes is not None and len(quotes) % 2 == 0:
        return None
    last = next(iter(deque(quoted_values(data, delimiter), 1)), None)
    return None if last is None or last.is_closed else last.start


def quoted_values(data: bytes, delimiter: bytes) -> Iterator[Span]:
    opens_after = delimiter + b"\r\n"
    at = data.find(b'"')
    while at >= 0:
        end = at + 1
        # A quote in the middle of a value is nothing but a character.
        if at == 0 or data[at - 1] in opens_after:
            rest = REST_OF_VALUE.match(data, at + 1)
            assert rest, "the pattern matches anything"
            end = rest.end()
            yield Span(at, end, bool(rest[1]))
        at = data.find(b'"', end)


def _regular_quotes(data: bytes, delimiter: bytes) -> Places | None:
    """The places of all quotes, if every second one opens a value or is the second half of a doubled quote.

    Then a place is within quotes if an odd number of them come before it. None if some quote stands for itself.
    """
    characters = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(characters == QUOTE)
    opening = quotes[::2]
    may_come_before = np.zeros(256, bool)
    may_come_before[list(b'"\r\n' + delimiter)] = True
    is_regular = may_come_before[characters[opening - 1]] | (opening == 0)
    return quotes if is_regular.all() else None


def _cut(data: bytes, quotes: Places) -> Cut:
    end = len(data)
    while at := _last_line_break(data, 0, end):
        before = int(np.searchsorted(quotes, at))
        if before % 2 == 0:
            return Cut(at, quotes[:before])
        end = int(quotes[before - 1])
    return Cut(0)


def _cut_slowly(data: bytes, delimiter: bytes, remember: int = SPANS_REMEMBERED) -> int:
    spans = deque(quoted_values(data, delimiter), remember)
    knows_all = len(spans) < remember
    after = len(data)
    while spans:
        span = spans.pop()
        # A quote that closes with the last byte may be the first half of a doubled one.
        at = _last_line_break(data, span.end, after) if span.end < len(data) else 0
        if at:
            return at
        after = span.start
    return _last_line_break(data, 0, after) if knows_all else _cut_slowly(data, delimiter, len(data))


def _last_line_break(data: bytes, start: int, end: int) -> int:
    # Old Macs ended lines with a carriage return alone; as the last byte it may be half of a line end.
    return data.rfind(b"\n", start, end) + 1 or data.rfind(b"\r", start, min(end, len(data) - 1)) + 1
