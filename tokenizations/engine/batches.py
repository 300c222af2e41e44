"""Reads the rows of a part in batches that fit an encoder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_app.errors import JobError
from tokenizations.engine.selection import Rows, Selection
from tokenizations.engine.texts import Sizes, Texts, TextSource, text_sizes
from tokenizations.engine.tokenizer_files import one_line

# Rows cost something too: of very short ones a batch holds no more than this.
BATCH_ROWS = 1 << 16
PROBE_BYTES = 1 << 17
PROBE_ROWS = 512


@dataclass(frozen=True)
class TextBatch:
    """Some chosen rows: their numbers in the split and the sizes of their texts, int64, the latter in bytes.

    `progress` is how many bytes of stored text, chosen or not, the shard has got on with this batch.
    """

    made: Texts
    numbers: Rows
    sizes: npt.NDArray[np.int64]
    progress: int

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def texts(self) -> pa.Array:
        return self.made.texts


class Part:
    """An open part of a dataset. Raises JobError, here and when it is read, if the file is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors_explained():
            self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)

    @property
    def row_groups(self) -> int:
        return int(self._file.num_row_groups)

    def check(self, source: TextSource) -> None:
        """Raise JobError unless it has the columns."""
        source.check(self._file.schema_arrow, self._path.name)

    def read(self, group: int, columns: Iterable[str]) -> pa.Table:
        """These columns of one row group."""
        with self._errors_explained():
            return self._file.read_row_group(group, columns=list(columns), use_threads=False)

    def batches(
        self, groups: Iterable[int], source: TextSource, selection: Selection, first_row: int, batch_bytes: int
    ) -> Iterator[TextBatch]:
        """The chosen rows of these row groups, in order, at most `batch_bytes` of stored text at a time, or one row.

        `first_row` is the number of the first row in its split.
        """
        for group in groups:
            table = self.read(group, source.columns)
            sizes = source.sizes(table)
            chosen = selection.within(first_row, len(table))
            yield from _batches(table, sizes, chosen, source, first_row, batch_bytes)
            first_row += len(table)

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise JobError(
                f"{self._path.name} cannot be read: {one_line(error)}.", "Import the dataset again."
            ) from error


def _batches(
    table: pa.Table, sizes: Sizes, chosen: Rows | None, source: TextSource, first_row: int, batch_bytes: int
) -> Iterator[TextBatch]:
    done, ends = 0, np.cumsum(sizes)
    rows = np.arange(len(table)) if chosen is None else chosen
    for start, stop in _cuts(sizes[rows], batch_bytes):
        some = table.slice(start, stop - start) if chosen is None else table.take(pa.array(rows[start:stop]))
        made = source.read(some)
        last = int(ends[rows[stop - 1]])
        yield TextBatch(made, rows[start:stop] + first_row, text_sizes(made.texts), last - done)
        done = last


def probe_rows(part: Part, group: int, source: TextSource) -> list[str]:
    """Texts to try an encoder on: spread over a row group, up to PROBE_BYTES, and the longest one within that."""
    part.check(source)
    table = part.read(group, source.columns)
    sizes = source.sizes(table)
    spread = np.unique(np.linspace(0, len(sizes) - 1, PROBE_ROWS).astype(np.int64)) if len(sizes) else np.empty(0, int)
    chosen = spread[np.cumsum(sizes[spread]) <= PROBE_BYTES].tolist()
    if (sizes <= PROBE_BYTES).any():
        chosen.append(int(np.where(sizes <= PROBE_BYTES, sizes, -1).argmax()))
    texts = source.read(table.take(pa.array(chosen, pa.int64()))).texts
    raw = texts.cast(pa.large_binary()).to_pylist()
    return [value.decode(errors="replace") for value in raw if value]


def _cuts(sizes: Sizes, batch_bytes: int) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        limit = (ends[start - 1] if start else 0) + batch_bytes
        stop = int(np.searchsorted(ends, limit, side="right"))
        stop = min(max(stop, start + 1), start + BATCH_ROWS)
        yield start, stop
        start = stop
