"""Text files in blocks of whole records: memory stays flat, and the line of every record can be told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.rejects import Fault, Rejects
from datasets_app.ingest.source import ROW_TEXT_BYTES, Source, not_utf8, too_long, with_nul
from datasets_app.ingest.streams import Stream, opened

# Escapes and quotes make a row longer in the file than its text is.
ROW_SOURCE_BYTES = 4 * ROW_TEXT_BYTES
LINE_END, CARRIAGE_RETURN = b"\n\r"
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Block:
    data: bytes
    first_line: int  # counted from 1
    end: int  # bytes of the file up to the end of this block
    is_last: bool = False
    quotes: Places | None = None  # of CSV: the places of all of them, if they are regular

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Each line that is not blank, and what to call it."""
        for span in self.spans():
            yield span.place, self.data[span.start : span.end]

    def spans(self) -> Iterator["Span"]:
        end = -1
        for number, line in enumerate(self.data.split(b"\n"), self.first_line):
            start, end = end + 1, end + 1 + len(line)
            if line.strip():
                yield Span(f"Line {number}", start, end, number)

    def without(self, faults: list[Fault]) -> "Block":
        """Blank lines in the place of bad rows, so that those after them keep their numbers."""
        parts, end = [], 0
        for fault in sorted(faults):
            parts += [self.data[end : fault.start], b"\n" * count_lines(self.data[fault.start : fault.end])]
            end = fault.end
        return self.with_data(b"".join([*parts, self.data[end:]]))

    def with_data(self, data: bytes) -> "Block":
        return replace(self, data=data, quotes=None)


class Span(NamedTuple):
    """A record of a block: what to call it, where it is, and the line of the file on which it starts."""

    place: str
    start: int
    end: int
    line: int


class Cut(NamedTuple):
    """How many bytes are whole records, 0 for none, and the places of the quotes in them."""

    size: int
    quotes: Places | None = None


def cut_after_line(data: bytes) -> Cut:
    return Cut(data.rfind(b"\n") + 1)


def read_blocks(
    source: Source,
    cut: Callable[[bytes], Cut] = cut_after_line,
    advice: str = "",
    rejects: Rejects | None = None,
) -> Iterator[Block]:
    """Read a file in blocks of about `source.block_bytes`, each ending where a record ends.

    `cut` says how many of the bytes are whole records. A record too long to be held is a JobError, with
    `advice` if it is likely to be something else than a long document; given `rejects`, where records are lines, it is
    a bad row.
    """
    with opened(source) as stream:
        line, rest = 1, b""
        is_last = False
        while not is_last:
            wanted = bytes_to_read(len(rest), source)
            fresh = stream.read(wanted)
            is_last = len(fresh) < wanted
            data = rest + fresh
            size, quotes = Cut(len(data)) if is_last else cut(data)
            if size:
                block = Block(data[:size], line, stream.bytes_read(len(data) - size), is_last, quotes)
                yield block
                line += count_lines(block.data)
            rest = data[size:]
            if len(rest) > ROW_SOURCE_BYTES:
                error = too_long(f"The row that starts on line {line} of {source.name}", advice)
                if rejects is None or not rejects.limit:
                    raise error
                rejects.add(line, error, rest)
                rest = b"\n" + _after_line(stream, source.block_bytes)


def bytes_to_read(kept: int, source: Source) -> int:
    """A block, or twice what is kept of a record that goes on: it should not be searched again for every block."""
    return max(source.block_bytes, min(kept, ROW_SOURCE_BYTES - kept))


def count_lines(data: bytes) -> int:
    # Not bytes.count(), which is slow where there is much to count. Old Macs ended lines with a carriage return alone.
    characters = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero(characters == LINE_END)) or int(np.count_nonzero(characters == CARRIAGE_RETURN))


def refuse_nul(data: bytes) -> None:
    """For a block: pyarrow ends a JSON file at a NUL byte, and PostgreSQL refuses it."""
    if b"\0" in data:
        raise pa.ArrowInvalid("there is a NUL byte")


def no_text_in(block: Block, name: str) -> JobError | None:
    """The error that names the line, unless the block is valid UTF-8 without NUL bytes."""
    if (nul := block.data.find(b"\0")) >= 0:
        return with_nul(f"Line {block.first_line + count_lines(block.data[:nul])} of {name}")
    try:
        block.data.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + count_lines(block.data[: error.start])
        return not_utf8(f"Line {line} of {name}")
    return None


def _after_line(stream: Stream, size: int) -> bytes:
    while data := stream.read(size):
        if end := data.find(b"\n") + 1:
            return data[end:]
    return b""
