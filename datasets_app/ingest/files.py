"""Rows out of a file of any kind."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.delimited import read_delimited
from datasets_app.ingest.disguises import refuse_disguised
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.lines import read_text
from datasets_app.ingest.objects import read_objects
from datasets_app.ingest.parquet import read_parquet
from datasets_app.ingest.rejects import Rejects
from datasets_app.ingest.source import CHOOSE_ADVICE, Chunk, Source, empty

READERS: dict[Kind, Callable[[Source, pa.Schema | None, Rejects], Iterator[Chunk]]] = {
    Kind.CSV: read_delimited,
    Kind.TSV: read_delimited,
    Kind.JSON: read_objects,
    Kind.JSONL: read_objects,
    Kind.PARQUET: read_parquet,
    Kind.TXT: read_text,
}


def read_rows(source: Source, schema: pa.Schema | None = None, rejects: Rejects | None = None) -> Iterator[Chunk]:
    """The rows of a file, in tables of one schema and of a few MiB each; memory does not grow with the file.

    A given schema is binding: values that do not fit are an error, columns that are missing are null. Without one, a
    JSON or CSV file may turn out to need a wider schema than its beginning: then SchemaChanged brings one that fits.
    Raises JobError, naming file and line, for whatever else cannot be read, and for a file without rows or columns.
    As many bad rows as `rejects` allows are set aside there.
    """
    rejects = rejects or Rejects()
    if not source.bytes:
        raise empty(source.name)
    refuse_disguised(source)
    rows = 0
    for chunk in READERS[source.kind](source, schema, rejects):
        if chunk.table is not None:
            if chunk.table.num_rows and not chunk.table.num_columns:
                raise JobError(f"{source.name} has rows, but no columns.", "Give its rows at least one named value.")
            rows += chunk.table.num_rows
        yield chunk
    if not rows:
        raise _without_rows(source, rejects)


def _without_rows(source: Source, rejects: Rejects) -> JobError:
    if rejects.count:
        return JobError(f"Every row of {source.name} is bad.", "Check that it is read as what it is.")
    has = "has a header, but no rows" if source.kind in (Kind.CSV, Kind.TSV) else "has no rows"
    return JobError(f"{source.name} {has}.", CHOOSE_ADVICE)
