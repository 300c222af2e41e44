"""Rows out of a file of any kind."""

from collections.abc import Callable, Iterator
from pathlib import PurePath

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.delimited import read_delimited
from datasets_app.ingest.lines import read_text
from datasets_app.ingest.objects import read_objects
from datasets_app.ingest.parquet import read_parquet
from datasets_app.ingest.source import CHOOSE_ADVICE, Chunk, Kind, Source, empty

EXTENSIONS = {
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".parquet": Kind.PARQUET,
    ".txt": Kind.TXT,
}
READERS: dict[Kind, Callable[[Source, pa.Schema | None], Iterator[Chunk]]] = {
    Kind.CSV: read_delimited,
    Kind.TSV: read_delimited,
    Kind.JSON: read_objects,
    Kind.JSONL: read_objects,
    Kind.PARQUET: read_parquet,
    Kind.TXT: read_text,
}


def kind_of(name: str) -> Kind:
    """The kind of a file, by the extension of its name. Raises JobError for one that cannot be read."""
    extension = PurePath(name).suffix.lower()
    if extension not in EXTENSIONS:
        *others, last = EXTENSIONS
        said = f"has the extension {extension}" if extension else "has no extension"
        raise JobError(f"{name} {said}, which cannot be read.", f"Use {', '.join(others)} or {last}.")
    return EXTENSIONS[extension]


def read_rows(source: Source, schema: pa.Schema | None = None) -> Iterator[Chunk]:
    """The rows of a file, in tables of one schema and of a few MiB each; memory does not grow with the file.

    A given schema is binding: values that do not fit are an error, columns that are missing are null. Without one, a
    JSON or CSV file may turn out to need a wider schema than its beginning: then SchemaChanged brings one that fits.
    Raises JobError, naming file and line, for whatever else cannot be read, and for a file without rows or columns.
    """
    rows = 0
    for chunk in READERS[source.kind](source, schema):
        if chunk.table is not None:
            if chunk.table.num_rows and not chunk.table.num_columns:
                raise JobError(f"{source.name} has rows, but no columns.", "Give its rows at least one named value.")
            rows += chunk.table.num_rows
        yield chunk
    if not rows:
        raise _without_rows(source)


def _without_rows(source: Source) -> JobError:
    if not source.bytes:
        return empty(source.name)
    has = "has a header, but no rows" if source.kind in (Kind.CSV, Kind.TSV) else "has no rows"
    return JobError(f"{source.name} {has}.", CHOOSE_ADVICE)
