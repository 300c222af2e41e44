"""Where the records of a delimited file end: not at a line break within quotes."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

# What follows an opening quote: the value, and the quoted values after it on the same line, in one go: a step of Python
# for every value would be slow.
REST_OF_RUN = {
    delimiter: re.compile(rb'[^"]*+(?:"(?:"|' + delimiter + rb'")[^"]*+)*+("|\Z)') for delimiter in (b",", b"\t")
}
REST_OF_VALUE = re.compile(rb'[^"]*+(?:""[^"]*+)*+("|\Z)')
SPANS_REMEMBERED = 1000


class Span(NamedTuple):
    """Quoted values that follow each other on one line."""

    start: int
    end: int
    is_closed: bool


def cut_after_record(data: bytes, delimiter: bytes, remember: int = SPANS_REMEMBERED) -> int:
    """How many of the bytes are whole records; 0 for none."""
    spans = deque(quoted_spans(data, delimiter), remember)
    knows_all = len(spans) < remember
    after = len(data)
    while spans:
        span = spans.pop()
        # A quote that closes with the last byte may be the first half of a doubled one.
        at = _last_line_break(data, span.end, after) if span.end < len(data) else 0
        if at:
            return at
        after = span.start
    return _last_line_break(data, 0, after) if knows_all else cut_after_record(data, delimiter, len(data))


def unclosed_quote(data: bytes, delimiter: bytes) -> int | None:
    """Where the quote stands that nothing closes, if there is one."""
    last = next(iter(deque(quoted_spans(data, delimiter), 1)), None)
    if last is None or last.is_closed:
        return None
    at = last.start
    while (value := REST_OF_VALUE.match(data, at + 1)) and value[1]:
        at = value.end() + len(delimiter)
    return at


def quoted_spans(data: bytes, delimiter: bytes) -> Iterator[Span]:
    opens_after = delimiter + b"\r\n"
    at = data.find(b'"')
    while at >= 0:
        end = at + 1
        # A quote in the middle of a value is nothing but a character.
        if at == 0 or data[at - 1] in opens_after:
            rest = REST_OF_RUN[delimiter].match(data, at + 1)
            assert rest, "the pattern matches anything"
            end = rest.end()
            yield Span(at, end, bool(rest[1]))
        at = data.find(b'"', end)


def _last_line_break(data: bytes, start: int, end: int) -> int:
    # Old Macs ended lines with a carriage return alone; as the last byte it may be half of a line end.
    return data.rfind(b"\n", start, end) + 1 or data.rfind(b"\r", start, min(end, len(data) - 1)) + 1
