"""Rows that are too long to be held, wherever they come from."""

import pyarrow as pa

from datasets_app.ingest.schema import text_bytes
from datasets_app.ingest.source import ROW_TEXT_BYTES


def refuse_too_long(data: bytes, table: pa.Table) -> None:
    """For a block: raises pa.ArrowInvalid for a row of over 16 MiB of text. Costs nothing where blocks are small."""
    if len(data) > ROW_TEXT_BYTES and any(text_of_row(table, row) > ROW_TEXT_BYTES for row in range(table.num_rows)):
        raise pa.ArrowInvalid("a row is too long")


def text_of_row(table: pa.Table, row: int) -> int:
    return sum(text_bytes(table.slice(row, 1)).values())
