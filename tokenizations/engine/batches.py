"""Reads the text of a part in batches that fit an encoder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datasets_app.errors import JobError
from tokenizations.engine.tokenizer_files import one_line

# Rows cost something too: of very short ones a batch holds no more than this.
BATCH_ROWS = 1 << 16
PROBE_BYTES = 1 << 19
PROBE_ROWS = 512


@dataclass(frozen=True)
class TextBatch:
    """Consecutive rows: their texts (string or large_string, null where there is none) and sizes, int64 bytes."""

    texts: pa.Array
    sizes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)


class Part:
    """An open part of a dataset. Raises JobError, here and when it is read, if the file is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors_explained():
            self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)

    def check_column(self, column: str) -> None:
        """Raise JobError unless this is a text column."""
        schema = self._file.schema_arrow
        if column not in schema.names or not _is_text(schema.field(column).type):
            raise JobError(
                f"{self._path.name} has no text column called {column!r}.", "Choose one of its text columns."
            )

    def texts(self, group: int, column: str) -> pa.Array:
        """The column in one row group, string or large_string."""
        with self._errors_explained():
            table = self._file.read_row_group(group, columns=[column], use_threads=False)
            return table.column(column).combine_chunks()

    def batches(self, groups: Iterable[int], column: str, batch_bytes: int) -> Iterator[TextBatch]:
        """The column's rows in these row groups, in order, at most `batch_bytes` of text at a time, or one row."""
        for group in groups:
            texts = self.texts(group, column)
            sizes = _sizes(texts)
            for start, stop in _cuts(sizes, batch_bytes):
                yield TextBatch(texts.slice(start, stop - start), sizes[start:stop])

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise JobError(
                f"{self._path.name} cannot be read: {one_line(error)}.", "Import the dataset again."
            ) from error


def probe_rows(part: Part, group: int, column: str) -> list[str]:
    """Rows to try an encoder on: spread over a row group, up to half a MiB of text, and the longest one within that."""
    part.check_column(column)
    texts = part.texts(group, column)
    sizes = _sizes(texts)
    spread = np.unique(np.linspace(0, len(sizes) - 1, PROBE_ROWS).astype(np.int64)) if len(sizes) else np.empty(0, int)
    chosen = spread[np.cumsum(sizes[spread]) <= PROBE_BYTES].tolist()
    if (sizes <= PROBE_BYTES).any():
        chosen.append(int(np.where(sizes <= PROBE_BYTES, sizes, -1).argmax()))
    raw = texts.take(pa.array(chosen, pa.int64())).cast(pa.large_binary()).to_pylist()
    return [value.decode(errors="replace") for value in raw if value]


def _sizes(texts: pa.Array) -> npt.NDArray[np.int64]:
    sizes: npt.NDArray[np.int64] = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    return sizes.astype(np.int64, copy=False)


def _cuts(sizes: npt.NDArray[np.int64], batch_bytes: int) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        limit = (ends[start - 1] if start else 0) + batch_bytes
        stop = int(np.searchsorted(ends, limit, side="right"))
        stop = min(max(stop, start + 1), start + BATCH_ROWS)
        yield start, stop
        start = stop


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
