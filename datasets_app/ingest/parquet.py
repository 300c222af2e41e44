"""Parquet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from datasets_app.errors import JobError
from datasets_app.ingest.pages import Damaged, pages_of
from datasets_app.ingest.prefetching import ahead
from datasets_app.ingest.rejects import SHOWN_CHARACTERS, Rejects
from datasets_app.ingest.schema import (
    conflict,
    conform,
    in_words,
    names_within,
    plain_schema,
    refuse_odd_names,
    refuse_unknown_columns,
)
from datasets_app.ingest.sizes import text_of_row
from datasets_app.ingest.source import (
    MIB,
    ROW_TEXT_BYTES,
    Chunk,
    Source,
    column_twice,
    in_a_sentence,
    not_utf8,
    too_long,
)

BATCH_BYTES = 4 * MIB
# A few bytes of a dictionary can stand for long texts, so that the size of a row group says little.
BATCH_ROWS = 16384
READ_AHEAD_BYTES = MIB
FEW_ROWS = 16
# A batch of nothing but copies of the longest value of a dictionary.
AT_MOST_BYTES = 64 * MIB
# Writers make pages of about 1 MiB; a page that holds a single long document is larger.
PAGE_BYTES = 512 * MIB
# Text shrinks to a tenth, and repeated text to a hundredth.
MOST_UNPACKED = 250
SURELY_FINE_BYTES = 1 << 30
BOMB_ADVICE = "Write the file again from its source, with pages of about 1 MiB, or bring it in as JSON lines."
READ_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_parquet(source: Source, schema: pa.Schema | None, rejects: Rejects) -> Iterator[Chunk]:
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
        refuse_odd_names([*names, *names_within(pa.struct(list(own)))], source.name)
        refuse_unknown_columns(names, schema, source.name)
        target = plain_schema(own) if schema is None else schema
        rows = unpacked = 0
        for batch in ahead(_batches(file, source)):
            table = _converted(pa.table(batch), target, source.name)
            unpacked += table.nbytes
            _refuse_bomb(source, unpacked)
            sound = _sound(table, rows, source.name, rejects)
            rows += table.num_rows
            yield Chunk(sound, source.bytes * rows // max(rows, file.metadata.num_rows))


def _batches(file: parquet.ParquetFile, source: Source) -> Iterator[pa.RecordBatch]:
    for index in range(file.num_row_groups):
        where = f"Row group {index + 1} of {source.name}"
        try:
            rows = _rows_at_once(file.metadata.row_group(index), source.path, where)
            yield from file.iter_batches(rows, row_groups=[index], use_threads=False)
        except READ_ERRORS as error:
            raise _damaged(where, error) from error


def _rows_at_once(group: parquet.RowGroupMetaData, path: Path, where: str) -> int:
    """So few that they fit into memory however they are distributed over the pages."""
    rows = float(BATCH_ROWS)
    for index in range(group.num_columns):
        try:
            pages = list(pages_of(path, group.column(index)))
        except Damaged:
            # Some writers do not say where the pages begin; whatever is wrong, pyarrow will say so.
            return FEW_ROWS
        # Of a list there are several values in a row.
        per_row = sum(page.values for page in pages if not page.is_dictionary) / max(1, group.num_rows)
        for page in pages:
            if page.unpacked_bytes > PAGE_BYTES:
                raise JobError(f"{where} has a page of over {PAGE_BYTES // MIB} MiB.", BOMB_ADVICE)
            if not page.is_dictionary and page.values:
                rows = min(rows, BATCH_BYTES * page.values / max(1, page.unpacked_bytes * per_row))
            if page.longest_value:
                rows = min(rows, AT_MOST_BYTES / (page.longest_value * max(1, per_row)))
    return max(1, int(rows))


def _refuse_bomb(source: Source, unpacked: int) -> None:
    if unpacked > max(SURELY_FINE_BYTES, MOST_UNPACKED * source.bytes):
        raise JobError(
            f"{source.name} unpacks to over {MOST_UNPACKED} times its size: {unpacked / 10**9:.1f} GB so far.",
            BOMB_ADVICE,
        )
    if unpacked > source.options.unpacked_limit_bytes:
        raise JobError(
            f"{source.name} is over {source.options.unpacked_limit_bytes / 10**9:g} GB when it is unpacked.",
            "Split it into smaller files, or raise TOKENYARD_UNPACKED_LIMIT_GB.",
        )


def _converted(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    try:
        return conform(table, schema)
    except pa.ArrowException as error:
        odds = conflict(schema, plain_schema(table.schema))
        reason = f"cannot be brought into the dataset’s columns: {in_a_sentence(error)}."
        if odds:
            reason = f'has {in_words(odds.theirs)} in the column "{odds.column}", not {in_words(odds.ours)}.'
        raise JobError(f"{name} {reason}", "Give the column the same type in every file.") from error


def _sound(table: pa.Table, rows_before: int, name: str, rejects: Rejects) -> pa.Table:
    """Without bad rows. Parquet readers take any bytes for UTF-8, and fail much later."""
    if _is_valid(table) and not _may_hold_a_long_row(table):
        return table
    good = []
    for row in range(table.num_rows):
        # take() copies; a slice of lists would still be judged by all of their items.
        one = table.take([row])
        if error := _flaw(one, f"Row {rows_before + row + 1} of {name}"):
            rejects.add(rows_before + row + 1, error, repr(_printable(one)).encode())
        else:
            good.append(row)
    return table.take(np.array(good, np.int64))


def _may_hold_a_long_row(table: pa.Table) -> bool:
    return int(table.nbytes) > ROW_TEXT_BYTES


def _flaw(row: pa.Table, where: str) -> JobError | None:
    if not _is_valid(row):
        column = next((column for column in row.column_names if not _is_valid(row.select([column]))), "")
        return not_utf8(f'{where}, column "{column}",', "Write the file again with text that is UTF-8.")
    return too_long(where) if text_of_row(row, 0) > ROW_TEXT_BYTES else None


def _printable(row: pa.Table) -> dict[str, str]:
    """The values that can be shown, of a row that is damaged."""
    sound = [column for column in row.column_names if _is_valid(row.select([column]))]
    return {name: str(value)[:SHOWN_CHARACTERS] for name, value in row.select(sound).to_pylist()[0].items()}


def _is_valid(table: pa.Table) -> bool:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _damaged(what: str, error: Exception) -> JobError:
    return JobError(f"{what} is damaged or no Parquet file ({in_a_sentence(error)}).", "Fetch or write the file again.")
