"""Text files in blocks of whole records: memory stays flat, and the line of every record can be told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from datasets_app.errors import JobError
from datasets_app.ingest.source import ROW_TEXT_BYTES, Source, not_utf8, too_long

# Escapes and quotes make a row longer in the file than its text is.
ROW_SOURCE_BYTES = 4 * ROW_TEXT_BYTES
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_END, CARRIAGE_RETURN = b"\n\r"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Block:
    data: bytes
    first_line: int  # counted from 1
    end: int  # bytes of the file up to the end of this block
    is_last: bool = False

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Each line that is not blank, and what to call it."""
        for number, line in enumerate(self.data.split(b"\n"), self.first_line):
            if line.strip():
                yield f"Line {number}", line


def cut_after_line(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def read_blocks(source: Source, cut: Callable[[bytes], int] = cut_after_line, advice: str = "") -> Iterator[Block]:
    """Read a file in blocks of about `source.block_bytes`, each ending where a record ends.

    `cut` says how many of the bytes are whole records, 0 for none. A byte order mark is left out. Raises JobError for
    a record too long to be held, with `advice` if a long record is likely to be something else than a long document.
    """
    with source.path.open("rb") as stream:
        end, line, rest = _skip_byte_order_mark(stream.peek(3), source), 1, b""
        stream.seek(end)
        is_last = False
        while not is_last:
            wanted = bytes_to_read(len(rest), source)
            fresh = stream.read(wanted)
            is_last = len(fresh) < wanted
            data = rest + fresh
            size = len(data) if is_last else cut(data)
            if size:
                block = Block(data[:size], line, end + size, is_last)
                yield block
                line, end = line + count_lines(block.data), block.end
            rest = data[size:]
            if len(rest) > ROW_SOURCE_BYTES:
                raise too_long(f"The row that starts on line {line} of {source.name}", advice)


def bytes_to_read(kept: int, source: Source) -> int:
    """A block, or twice what is kept of a record that goes on: it should not be searched again for every block."""
    return max(source.block_bytes, min(kept, ROW_SOURCE_BYTES - kept))


def count_lines(data: bytes) -> int:
    # Not bytes.count(), which is slow where there is much to count. Old Macs ended lines with a carriage return alone.
    characters = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero(characters == LINE_END)) or int(np.count_nonzero(characters == CARRIAGE_RETURN))


def not_utf8_in(block: Block, name: str) -> JobError | None:
    """The error that names the line, unless the block is valid UTF-8."""
    try:
        block.data.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + count_lines(block.data[: error.start])
        return not_utf8(f"Line {line} of {name}")
    return None


def _skip_byte_order_mark(start: bytes, source: Source) -> int:
    if start.startswith(UTF16_MARKS):
        raise JobError(f"{source.name} is encoded as UTF-16.", "Save the file as UTF-8.")
    return len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0
