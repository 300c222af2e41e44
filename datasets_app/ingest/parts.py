"""Writes rows as Parquet parts: small row groups, so that work can be cut by bytes and rows be looked up quickly."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
from pyarrow import parquet

from datasets_app.ingest.schema import columns_of, text_bytes
from datasets_app.ingest.source import MIB, ROW_TEXT_BYTES, too_long
from datasets_app.ingest.storable import storable

GROUP_TEXT_BYTES = 16 * MIB
GROUP_BYTES = 64 * MIB
GROUP_ROWS = 1 << 18
PART_BYTES = 256 * MIB
# With a single one a core would be idle whenever reading is faster for a while.
GROUPS_BEHIND = 2


@dataclass(frozen=True)
class PartFacts:
    """A finished part: `row_groups` is `[{"rows": n, "bytes": {column: bytes of text}}]`, `columns` names and types."""

    name: str
    rows: int
    bytes: int
    sha256: str
    row_groups: list[dict[str, Any]]
    columns: list[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Size(NamedTuple):
    rows: int
    text: int
    bytes: int

    def plus(self, other: "Size") -> "Size":
        return Size(self.rows + other.rows, self.text + other.text, self.bytes + other.bytes)

    def is_a_group(self) -> bool:
        return self.rows <= GROUP_ROWS and self.text <= GROUP_TEXT_BYTES and self.bytes <= GROUP_BYTES


NOTHING = Size(0, 0, 0)


class PartWriter:
    """Writes tables of one schema as `<stem>-00000.parquet` and so on; the same tables in, the same bytes out.

    A context manager, to be left after `finish`; left by an exception, it removes what it wrote. `source_name` is for
    messages.
    """

    def __init__(self, folder: Path, stem: str, source_name: str) -> None:
        self.rows = 0
        self._folder = folder
        self._stem = stem
        self._source_name = source_name
        self._finished: list[PartFacts] = []
        self._open: _Part | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_size = NOTHING
        # Compressing takes as long as reading: groups are written while the next one is read.
        self._background = ThreadPoolExecutor(1)
        self._writing: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._background.shutdown(cancel_futures=True)
        if kind is None:
            return
        if self._open:
            self._open.abandon()
        for part in self._finished:
            (self._folder / part.name).unlink(missing_ok=True)

    def add(self, table: pa.Table) -> None:
        """Raises JobError for a row of over 16 MiB of text."""
        for piece, size in self._pieces(storable(table)):
            if not self._waiting_size.plus(size).is_a_group():
                self._write_group()
            self._waiting.append(piece)
            self._waiting_size = self._waiting_size.plus(size)
            self.rows += size.rows

    def finish(self) -> list[PartFacts]:
        """Write what is left, and return the facts of every part, in order. All of them are on the disk by then."""
        self._write_group()
        self._wait(for_all_but=0)
        self._close_part()
        return self._finished

    def _pieces(self, table: pa.Table) -> Iterator[tuple[pa.Table, Size]]:
        size = size_of(table)
        if size.is_a_group():
            if size.rows:
                yield table, size
        elif size.rows > 1:
            half = size.rows // 2
            yield from self._pieces(table.slice(0, half))
            yield from self._pieces(table.slice(half))
        elif size.text > ROW_TEXT_BYTES:
            raise too_long(f"The text of row {self.rows + 1} of {self._source_name}")
        else:
            raise too_long(f"Row {self.rows + 1} of {self._source_name}", limit_bytes=GROUP_BYTES)

    def _write_group(self) -> None:
        self._wait(for_all_but=GROUPS_BEHIND - 1)
        if self._waiting:
            self._writing.append(self._background.submit(self._write, pa.concat_tables(self._waiting)))
            self._waiting, self._waiting_size = [], NOTHING

    def _wait(self, for_all_but: int) -> None:
        while len(self._writing) > for_all_but:
            self._writing.popleft().result()

    def _write(self, group: pa.Table) -> None:
        if self._open is None:
            name = f"{self._stem}-{len(self._finished):05d}.parquet"
            self._open = _Part(self._folder / name, group.schema)
        self._open.write(group)
        if self._open.bytes >= PART_BYTES:
            self._close_part()

    def _close_part(self) -> None:
        if self._open:
            self._finished.append(self._open.close())
            self._open = None


class _Part:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._groups: list[dict[str, Any]] = []
        # A file of pyarrow's own: one of Python's would want the interpreter for every page.
        self._file = pa.OSFile(str(path), "wb")
        self._written = path.open("rb")
        self._hash = hashlib.sha256()
        try:
            # Dictionaries help little under zstd, and cost a third of the time.
            self._writer = parquet.ParquetWriter(self._file, schema, compression="zstd", use_dictionary=False)
        except OSError:
            path.unlink()
            raise

    @property
    def bytes(self) -> int:
        return int(self._file.tell())

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._groups.append({"rows": table.num_rows, "bytes": text_bytes(table)})
        self._hash.update(self._written.read())

    def close(self) -> PartFacts:
        self._writer.close()
        size = self.bytes
        self._file.close()
        self._hash.update(self._written.read())
        os.fsync(self._written.fileno())
        self._written.close()
        rows = sum(group["rows"] for group in self._groups)
        return PartFacts(self._path.name, rows, size, self._hash.hexdigest(), self._groups, columns_of(self._schema))

    def abandon(self) -> None:
        with suppress(OSError, pa.ArrowException):  # what is not written yet may not fit on the disk
            self._writer.close()
        self._file.close()
        self._written.close()
        self._path.unlink(missing_ok=True)


def size_of(table: pa.Table) -> Size:
    return Size(table.num_rows, sum(text_bytes(table).values()), table.nbytes)
