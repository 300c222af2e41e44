"""Plain text."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from datasets_app.ingest.blocks import BYTE_ORDER_MARK, LINE_END, Block, not_utf8_in, read_blocks
from datasets_app.ingest.schema import conform, refuse_unknown_columns
from datasets_app.ingest.source import ROW_TEXT_BYTES, Chunk, Source, TextRows, empty, too_long

COLUMN = "text"
SPLIT_ADVICE = "Bring it in with a row per line, or split the file."


def read_text(source: Source, schema: pa.Schema | None = None) -> Iterator[Chunk]:
    """Rows of a text file in one column, `text`: each line without its end, blank ones too, or the whole file."""
    refuse_unknown_columns([COLUMN], schema, source.name)
    is_one_row = source.text_rows is TextRows.FILE
    for block in [_whole_file(source)] if is_one_row else read_blocks(source):
        texts = pa.array([block.data], pa.binary()) if is_one_row else _lines(block.data)
        try:
            table = pa.table({COLUMN: texts.cast(pa.string())})
        except pa.ArrowInvalid:
            raise not_utf8_in(block, source.name) or AssertionError("pyarrow and Python disagree on UTF-8") from None
        yield Chunk(table if schema is None else conform(table, schema), block.end)


def _whole_file(source: Source) -> Block:
    if source.bytes > ROW_TEXT_BYTES:
        raise too_long(source.name, SPLIT_ADVICE)
    data = source.path.read_bytes()
    if not data:
        raise empty(source.name)
    return Block(data.removeprefix(BYTE_ORDER_MARK), 1, len(data), is_last=True)


def _lines(data: bytes) -> pa.Array:
    """The lines without their ends, in one pass over the bytes: a Python string for every line would be slow."""
    data = data.replace(b"\r\n", b"\n")
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == LINE_END)
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    # Every line before has lost the one byte of its end.
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.replace(b"\n", b""))]
    return pa.Array.from_buffers(pa.binary(), len(ends), buffers)
