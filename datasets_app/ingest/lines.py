"""Plain text."""

import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import LINE_END, Block, no_text_in, read_blocks, refuse_nul
from datasets_app.ingest.options import TextRows
from datasets_app.ingest.rejects import Rejects
from datasets_app.ingest.schema import conform, refuse_unknown_columns
from datasets_app.ingest.sizes import refuse_too_long
from datasets_app.ingest.source import ROW_TEXT_BYTES, Chunk, Source, empty, too_long
from datasets_app.ingest.streams import opened

COLUMN = "text"
SPLIT_ADVICE = "Bring it in with a row per line, or split the file."


def read_text(source: Source, schema: pa.Schema | None, rejects: Rejects) -> Iterator[Chunk]:
    """Rows of a text file in one column, `text`: each line without its end, blank ones too, or the whole file."""
    refuse_unknown_columns([COLUMN], schema, source.name)
    is_one_row = source.options.text_rows is TextRows.FILE
    for block in [_whole_file(source)] if is_one_row else read_blocks(source, rejects=rejects):
        try:
            table = _table(block.data, is_one_row=is_one_row)
        except pa.ArrowInvalid:
            if is_one_row:
                raise no_text_in(block, source.name) or AssertionError("pyarrow and Python disagree") from None
            table = _table(_sound(block, source.name, rejects), is_one_row=False)
        yield Chunk(table if schema is None else conform(table, schema), block.end)


def _table(data: bytes, *, is_one_row: bool) -> pa.Table:
    refuse_nul(data)
    texts = pa.array([data], pa.binary()) if is_one_row else _lines(data)
    table = pa.table({COLUMN: texts.cast(pa.string())})
    refuse_too_long(b"" if is_one_row else data, table)
    return table


def _sound(block: Block, name: str, rejects: Rejects) -> bytes:
    sound = []
    for number, line in enumerate(io.BytesIO(block.data), block.first_line):
        if error := _flaw(line, number, name):
            rejects.add(number, error, line)
        else:
            sound.append(line)
    return b"".join(sound)


def _flaw(line: bytes, number: int, name: str) -> JobError | None:
    if len(line) > ROW_TEXT_BYTES:
        return too_long(f"Line {number} of {name}")
    return no_text_in(Block(line, number, 0), name)


def _whole_file(source: Source) -> Block:
    with opened(source) as stream:
        data = stream.read(ROW_TEXT_BYTES + 1)
    if len(data) > ROW_TEXT_BYTES:
        raise too_long(source.name, SPLIT_ADVICE)
    if not data:
        raise empty(source.name)
    return Block(data, 1, source.bytes, is_last=True)


def _lines(data: bytes) -> pa.Array:
    """The lines without their ends, in one pass over the bytes: a Python string for every line would be slow."""
    if not data:
        return pa.array([], pa.binary())
    data = data.replace(b"\r\n", b"\n")
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == LINE_END)
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    # Every line before has lost the one byte of its end.
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data.replace(b"\n", b""))]
    return pa.Array.from_buffers(pa.binary(), len(ends), buffers)
