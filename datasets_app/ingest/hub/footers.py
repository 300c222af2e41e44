"""Parts of a remote file, read as if it was here."""

import io
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from datasets_app.ingest.hub.connection import Connection
from datasets_app.ingest.hub.refusals import Damaged, HubError
from datasets_app.ingest.hub.remote import RemoteFile
from datasets_app.ingest.parquet import READ_ERRORS

# A request at the end of a file is likely to have the whole footer in it.
TAIL_BYTES = 64 << 10
MOST_BYTES = 64 << 20


class RangedFile(io.RawIOBase):
    """Reads by requests for ranges, and no more than MOST_BYTES of them all."""

    def __init__(self, file: RemoteFile, connection: Connection) -> None:
        self._file, self._connection = file, connection
        self._place = 0
        self._read = 0
        self._tail_start = max(0, file.bytes - TAIL_BYTES)
        self._tail: bytes | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.bytes}[whence]
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._file.bytes - self._place)
        length = left if size is None or size < 0 else min(size, left)
        data = self._range(self._place, length)
        self._place += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _range(self, first: int, length: int) -> bytes:
        if first < self._tail_start:
            return self._fetch(first, length)
        if self._tail is None:
            self._tail = self._fetch(self._tail_start, self._file.bytes - self._tail_start)
        return self._tail[first - self._tail_start :][:length]

    def _fetch(self, first: int, length: int) -> bytes:
        self._read += length
        if self._read > MOST_BYTES:
            raise HubError(
                f"The first rows of {self._file.path} are over {MOST_BYTES >> 20} MiB.", "Import it without a preview."
            )
        return self._connection.read(self._file, MOST_BYTES, first, length)


def open_parquet(file: RemoteFile, connection: Connection) -> parquet.ParquetFile:
    """Reads the footer. Raises Damaged, and HubError."""
    try:
        source = pa.PythonFile(RangedFile(file, connection), mode="r")
        return parquet.ParquetFile(source, pre_buffer=False, buffer_size=TAIL_BYTES)
    except READ_ERRORS as error:
        raise damaged(file) from error


def damaged(file: RemoteFile) -> Damaged:
    return Damaged(f"{file.path} is damaged or no Parquet file.", "Tell the repository’s owner.")
