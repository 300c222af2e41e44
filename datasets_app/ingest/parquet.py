"""Parquet."""

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from datasets_app.errors import JobError
from datasets_app.ingest.schema import conflict, conform, in_words, plain_schema, refuse_unknown_columns
from datasets_app.ingest.source import MIB, Chunk, Source, column_twice, in_a_sentence, not_utf8

BATCH_BYTES = 4 * MIB
# A few bytes of a dictionary can stand for long texts, so that the size of a row group says little.
BATCH_ROWS = 16384
READ_AHEAD_BYTES = MIB
READ_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_parquet(source: Source, schema: pa.Schema | None = None) -> Iterator[Chunk]:
    """Rows of a Parquet file, in batches; every kind of text column becomes `string`, nested columns stay."""
    try:
        file = parquet.ParquetFile(source.path, buffer_size=READ_AHEAD_BYTES, pre_buffer=False)
        own = file.schema_arrow
        names = own.names
    except READ_ERRORS as error:
        raise _damaged(source.name, error) from error
    with file:
        if twice := column_twice(names):
            raise JobError(f'{source.name} has the column "{twice}" twice.', "Give each column its own name.")
        refuse_unknown_columns(names, schema, source.name)
        target = plain_schema(own) if schema is None else schema
        rows = 0
        for batch in _batches(file, source.name):
            table = _checked(_converted(pa.table(batch), target, source.name), rows, source.name)
            rows += table.num_rows
            yield Chunk(table, source.bytes * rows // file.metadata.num_rows)


def _batches(file: parquet.ParquetFile, name: str) -> Iterator[pa.RecordBatch]:
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        rows = min(BATCH_ROWS, max(1, BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)))
        try:
            yield from file.iter_batches(rows, row_groups=[index], use_threads=False)
        except READ_ERRORS as error:
            raise _damaged(f"Row group {index + 1} of {name}", error) from error


def _converted(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    try:
        return conform(table, schema)
    except pa.ArrowException as error:
        odds = conflict(schema, plain_schema(table.schema))
        reason = f"cannot be brought into the dataset’s columns: {in_a_sentence(error)}."
        if odds:
            reason = f'has {in_words(odds.theirs)} in the column "{odds.column}", not {in_words(odds.ours)}.'
        raise JobError(f"{name} {reason}", "Give the column the same type in every file.") from error


def _checked(table: pa.Table, rows_before: int, name: str) -> pa.Table:
    """Parquet readers take any bytes for UTF-8, and fail much later."""
    if not _is_valid(table):
        # take() copies; a slice of lists would still be judged by all of their items.
        bad = bisect_left(range(table.num_rows), True, key=lambda row: not _is_valid(table.take(np.arange(row + 1))))
        row = table.take([bad])
        column = next((column for column in row.column_names if not _is_valid(row.select([column]))), "")
        raise not_utf8(f'Row {rows_before + bad + 1} of {name}, column "{column}",')
    return table


def _is_valid(table: pa.Table) -> bool:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _damaged(what: str, error: Exception) -> JobError:
    return JobError(f"{what} is damaged or no Parquet file ({in_a_sentence(error)}).", "Fetch or write the file again.")
