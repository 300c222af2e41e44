"""Text files in blocks of whole records: memory stays flat, and the line of every block is known."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from datasets_app.errors import JobError

MIB = 1 << 20
BLOCK_BYTES = 8 * MIB
ROW_TEXT_BYTES = 16 * MIB
# Escapes and quotes make a row longer on disk than its text is.
ROW_SOURCE_BYTES = 4 * ROW_TEXT_BYTES
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOO_LONG_ADVICE = "Split long documents into several rows."


class Block(NamedTuple):
    data: bytes
    first_line: int  # counted from 1
    end: int  # bytes of the file up to the end of this block
    is_last: bool


def cut_after_line(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def read_blocks(
    path: Path,
    name: str,
    cut: Callable[[bytes], int] = cut_after_line,
    *,
    block_bytes: int = BLOCK_BYTES,
    too_long_advice: str = TOO_LONG_ADVICE,
) -> Iterator[Block]:
    """Read a file in blocks of about `block_bytes`, each ending where a record ends.

    `cut` says how many of the bytes are whole records, 0 for none. A byte order mark is left out. Raises JobError for
    a record too long to be held, and for a file that begins like UTF-16.
    """
    rest, line, end = b"", 1, 0
    with path.open("rb") as stream:
        _refuse_utf16(stream.peek(2)[:2], name)
        end = _skip_byte_order_mark(stream.peek(3)) and stream.seek(len(BYTE_ORDER_MARK))
        while True:
            fresh = stream.read(block_bytes)
            data, is_last = rest + fresh, len(fresh) < block_bytes
            size = len(data) if is_last else cut(data)
            if size:
                whole, rest = data[:size], data[size:]
                end += size
                yield Block(whole, line, end, is_last)
                line += count_lines(whole)
            else:
                rest = data
            if is_last:
                return
            if len(rest) > ROW_SOURCE_BYTES:
                raise JobError(f"The row that starts on line {line} of {name} is over 16 MiB.", too_long_advice)


def count_lines(data: bytes) -> int:
    return data.count(b"\n") or data.count(b"\r")


def require_utf8(block: Block, name: str) -> None:
    """Raise JobError, naming the line, unless the block is valid UTF-8."""
    try:
        block.data.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + count_lines(block.data[: error.start])
        raise not_utf8(f"Line {line} of {name}") from None


def not_utf8(where: str) -> JobError:
    return JobError(f"{where} is not valid UTF-8.", "Save the file as UTF-8, or remove the damaged characters.")


def _skip_byte_order_mark(start: bytes) -> bool:
    return start.startswith(BYTE_ORDER_MARK)


def _refuse_utf16(start: bytes, name: str) -> None:
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise JobError(f"{name} is encoded as UTF-16.", "Save the file as UTF-8.")
