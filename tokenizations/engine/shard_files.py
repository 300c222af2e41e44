"""Writes the three files of a shard: its sequences, its ledger of rows, its statistics."""

import hashlib
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tokenizations.engine.output_files import DATA, LEDGER, STATISTICS
from tokenizations.engine.rows import EncodedRows, Fate

SUFFIXES = {DATA: ".arrow", LEDGER: ".ledger.parquet", STATISTICS: ".stats.parquet"}
SEQUENCES = "sequences"
# By document, offsets in the numbers of its sequences, and these.
Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
# `source_row` counts within the split; `tokens` are the row's own, before the cut; `junk` is null where nobody asked.
LEDGER_SCHEMA = pa.schema(
    [
        ("source_row", pa.int64()),
        ("tokens", pa.int32()),
        ("junk", pa.float32()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class FileFacts:
    """A finished file: `role` is data, ledger or statistics, `rows` those of the data, or of the source."""

    role: str
    name: str
    bytes: int
    sha256: str
    rows: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class HashedFile:
    """A new file that knows its size and hash as it is written. Leaving its `with` block puts it safely on the disk."""

    closed = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self.bytes += self._file.write(data)
        return memoryview(data).nbytes

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Nothing: pyarrow closes what it is given, but the `with` block decides."""

    def facts(self, role: str, rows: int) -> FileFacts:
        return FileFacts(role, self.path.name, self.bytes, self._hash.hexdigest(), rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()


class Ledger:
    """What became of each row of a shard."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self.rows = 0

    def add(self, rows: EncodedRows, numbers: npt.NDArray[np.int64], ratios: npt.NDArray[np.float64] | None) -> None:
        """`numbers` are those of the rows in their split."""
        self.rows += len(rows.fates)
        early = (rows.fates != Fate.KEPT) & (rows.fates != Fate.JUNK)
        junk = pa.nulls(len(early), pa.float32()) if ratios is None else pa.array(ratios, pa.float64(), mask=early)
        columns = [
            pa.array(numbers),
            pa.array(np.diff(rows.offsets).astype(np.int32)),
            junk.cast(pa.float32(), safe=False),
            pa.array(rows.fates == Fate.KEPT),
            _reasons().take(pa.array(rows.fates)),
        ]
        self._tables.append(pa.Table.from_arrays(columns, schema=LEDGER_SCHEMA))

    def write(self, file: HashedFile, places: Places | None) -> None:
        """With the sequences of each row, numbered in the shard's data file, unless `places` is None."""
        table = pa.concat_tables([LEDGER_SCHEMA.empty_table(), *self._tables]).combine_chunks()
        if places is not None:
            table = table.append_column(SEQUENCES, _sequences(table["kept"].to_numpy(), *places))
        pq.write_table(table, file, compression="zstd", use_dictionary=["reason"])


def _sequences(kept: npt.NDArray[np.bool_], offsets: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> pa.Array:
    counts = np.zeros(len(kept), np.int64)
    counts[kept] = np.diff(offsets)
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()), pa.array(found))


@cache
def _reasons() -> pa.Array:
    return pa.array([None if fate == Fate.KEPT else fate.reason for fate in Fate], pa.string())


def sync_directory(directory: Path) -> None:
    """Make the names of new files in it outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_parquet(source: Path | BinaryIO) -> pa.Table:
    """A small file as a whole. pyarrow's own `read_table` would first import what large ones need."""
    with pq.ParquetFile(source) as file:
        return file.read(use_threads=False)
