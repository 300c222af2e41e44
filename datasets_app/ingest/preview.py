"""A first look at a file, in bounded memory and time."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from datasets_app.ingest.files import read_rows
from datasets_app.ingest.schema import (
    chat_columns,
    columns_of,
    dump_schema,
    propose_text_column,
    text_bytes,
    text_columns,
)
from datasets_app.ingest.source import Source

PREVIEW_ROWS = 20
SHOWN_CHARACTERS = 1000
SHOWN_ITEMS = 20


@dataclass(frozen=True)
class Preview:
    """`rows` hold JSON values, long texts and lists cut; `schema` is for `schema.load_schema`."""

    columns: list[tuple[str, str]]
    rows: list[dict[str, Any]]
    text_column: str | None
    warnings: list[str]
    schema: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def preview(source: Source, rows: int = PREVIEW_ROWS) -> Preview:
    """Read no more than the beginning of a file. Raises JobError as `read_rows` does, if only for that part."""
    table = next(chunk.table for chunk in read_rows(source) if chunk.table is not None and chunk.table.num_rows)
    sizes, texts = text_bytes(table), text_columns(table.schema)
    text_column = propose_text_column({name: sizes[name] for name in texts})
    shown = [{name: _shown(value) for name, value in row.items()} for row in table.slice(0, rows).to_pylist()]
    warnings = _warnings(source, table, text_column)
    return Preview(columns_of(table.schema), shown, text_column, warnings, dump_schema(table.schema))


def _warnings(source: Source, table: pa.Table, text_column: str | None) -> list[str]:
    warnings = []
    if text_column is None and not chat_columns(table.schema):
        warnings.append("No column holds text, so there is nothing to tokenize.")
    return warnings


def _shown(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}…"
        case bytes():
            return f"{len(value)} bytes"
        case list():
            return [_shown(item) for item in value[:SHOWN_ITEMS]]
        case dict():
            return {str(name): _shown(item) for name, item in list(value.items())[:SHOWN_ITEMS]}
        case _:
            return str(value)  # dates, decimals
