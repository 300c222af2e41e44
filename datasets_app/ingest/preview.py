"""A first look at a file, in bounded memory and time."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from datasets_app.ingest.delimited import style_of
from datasets_app.ingest.files import read_rows
from datasets_app.ingest.kinds import Kind, packing_of
from datasets_app.ingest.layouts import layout_of
from datasets_app.ingest.rejects import Rejects
from datasets_app.ingest.schema import (
    chat_columns,
    columns_of,
    dump_schema,
    propose_text_column,
    text_bytes,
    text_columns,
)
from datasets_app.ingest.source import Source
from datasets_app.ingest.streams import detected_encoding

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
    # What was detected or chosen: [(what, as what it is read)]
    reading: list[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def preview(source: Source, rows: int = PREVIEW_ROWS) -> Preview:
    """Read no more than the beginning of a file. Raises JobError as `read_rows` does, if only for that part."""
    rejects = Rejects(source.options.bad_rows)
    chunks = read_rows(source, None, rejects)
    table = next(chunk.table for chunk in chunks if chunk.table is not None and chunk.table.num_rows)
    sizes, texts = text_bytes(table), text_columns(table.schema)
    text_column = propose_text_column({name: sizes[name] for name in texts})
    shown = [{name: _shown(value) for name, value in row.items()} for row in table.slice(0, rows).to_pylist()]
    warnings = _warnings(table, text_column, rejects)
    schema = dump_schema(table.schema)
    return Preview(columns_of(table.schema), shown, text_column, warnings, schema, reading_of(source))


def reading_of(source: Source) -> list[tuple[str, str]]:
    if source.kind is Kind.PARQUET:
        return []
    packing = packing_of(source.name)
    said = [("Packed with", packing)] if packing else []
    said.append(("Encoding", (source.options.encoding or detected_encoding(source)).words))
    if source.kind in (Kind.CSV, Kind.TSV):
        style = style_of(source)
        said += [("Delimiter", style.delimiter.value), ("Header", "yes" if style.has_header else "no")]
    if source.kind in (Kind.JSON, Kind.JSONL):
        said.append(("Layout", (source.options.layout or layout_of(source)).words))
    return said


def _warnings(table: pa.Table, text_column: str | None, rejects: Rejects) -> list[str]:
    warnings = []
    if rejects.count:
        rows = "1 bad row is" if rejects.count == 1 else f"{rejects.count:,} bad rows are"
        warnings.append(f"{rows} set aside in the part of the file that was looked at.")
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
