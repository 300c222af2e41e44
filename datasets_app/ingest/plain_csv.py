"""Whole CSV records, by pyarrow."""

from collections.abc import Iterable

import pyarrow as pa
from pyarrow import csv as arrow_csv


def read_csv(
    data: pa.Buffer,
    delimiter: str,
    names: Iterable[str],
    types: dict[str, pa.DataType],
    only: Iterable[str] | None = None,
) -> pa.Table:
    """The columns that are called `names`, or `only` some of them; a type that is not given is inferred."""
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        # One block for pyarrow too: it gives up on a row longer than its block.
        arrow_csv.ReadOptions(use_threads=False, block_size=data.size + 1, column_names=list(names)),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(column_types=types, include_columns=list(only or ())),
    )
