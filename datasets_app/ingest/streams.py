"""Text files as UTF-8: unpacked and decoded on the way, never as a whole."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.encodings import BYTE_ORDER_MARKS, encoding_of
from datasets_app.ingest.kinds import packing_of
from datasets_app.ingest.options import Encoding
from datasets_app.ingest.source import Source

READ_BYTES = 1 << 20
HEAD_BYTES = 1 << 20


class Stream:
    """What is read of a text file, as UTF-8 and without its byte order mark.

    Raises JobError for a file that cannot be unpacked or decoded, or becomes too large on the way.
    """

    def __init__(self, source: Source, file: BinaryIO, encoding: Encoding | None = None) -> None:
        self._source = source
        self._file = file
        self._packing = packing_of(source.name)
        self._unpacked = _unpacked(file, self._packing)
        self._bytes = 0
        self._lines = 1
        self._kept = b""
        self._is_whole = False
        if encoding:
            self._begin(encoding)

    def _begin(self, encoding: Encoding) -> None:
        is_utf8 = encoding in (Encoding.UTF_8, Encoding.UTF_8_BOM)
        start = self.read_bytes(max(map(len, BYTE_ORDER_MARKS)))
        for mark, marked in BYTE_ORDER_MARKS.items():
            if start.startswith(mark) and marked.value.removesuffix("-sig") == encoding.value.removesuffix("-sig"):
                start = start.removeprefix(mark)
        self._decoder = None if is_utf8 else codecs.getincrementaldecoder(encoding.value)()
        self._encoding = encoding
        self._kept = start if self._decoder is None else self._decoded(start)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        if self._decoder is None:
            start, self._kept = self._kept[:size], self._kept[size:]
            return start + self.read_bytes(size - len(start)) if len(start) < size else start
        parts, have = [self._kept], len(self._kept)
        while have < size and not self._is_whole:
            data = self.read_bytes(min(READ_BYTES, size))
            parts.append(self._decoded(data))
            have += len(parts[-1])
        text = b"".join(parts)
        self._kept = text[size:]
        return text[:size]

    def read_bytes(self, size: int) -> bytes:
        """Unpacked, but as they are encoded; fewer only at the end."""
        with self._damage_explained():
            data: bytes = self._unpacked.read(size)
            while len(data) < size and (more := self._unpacked.read(size - len(data))):
                data += more
        self._bytes += len(data)
        limit = self._source.options.unpacked_limit_bytes
        if self._packing and self._bytes > limit:
            raise JobError(
                f"{self._source.name} is over {limit / 10**9:g} GB when it is unpacked.",
                "Split it into smaller files, or raise TOKENYARD_UNPACKED_LIMIT_GB.",
            )
        return data

    def bytes_read(self, unread: int) -> int:
        """How much of the file is behind us, `unread` bytes of the text apart."""
        is_plain = self._decoder is None and not self._packing
        return self._file.tell() - (unread + len(self._kept) if is_plain else 0)

    def _decoded(self, data: bytes) -> bytes:
        assert self._decoder
        self._is_whole = not data
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "replace")
            line = self._lines + before.count("\n")
            raise JobError(
                f"Line {line} of {self._source.name} is not valid {self._encoding.words}.",
                "Choose the encoding it was written in, or save the file as UTF-8.",
            ) from None
        self._lines += text.count("\n")
        return text.encode()

    @contextmanager
    def _damage_explained(self) -> Iterator[None]:
        name, packing = self._source.name, self._packing
        try:
            yield
        except EOFError:
            raise _cut_off(name) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(name, packing, error) from error
        except OSError as error:
            if error.errno is not None:
                raise
            # pyarrow says so in words alone
            raise _cut_off(name) if "runcated" in str(error) else _damaged(name, packing, error) from error


@contextmanager
def opened(source: Source) -> Iterator[Stream]:
    """The text of a file, in the encoding that its reader says it has, or else that it seems to have."""
    encoding = source.options.encoding or detected_encoding(source)
    with source.path.open("rb") as file:
        yield Stream(source, file, encoding)


def head_bytes(source: Source, size: int = HEAD_BYTES) -> bytes:
    with source.path.open("rb") as file:
        return Stream(source, file).read_bytes(size)


def head(source: Source, size: int = HEAD_BYTES) -> bytes:
    """The beginning of a file, as UTF-8."""
    with opened(source) as stream:
        return stream.read(size)


def detected_encoding(source: Source) -> Encoding:
    return encoding_of(head_bytes(source))


def _unpacked(file: BinaryIO, packing: str | None) -> Any:
    match packing:
        case "gzip":
            return gzip.GzipFile(fileobj=file, mode="rb")
        case "zstd":
            return pa.CompressedInputStream(file, "zstd")
    return file


def _cut_off(name: str) -> JobError:
    return JobError(f"{name} is cut off: its end is missing.", "Fetch or pack the file again.")


def _damaged(name: str, packing: str | None, error: Exception) -> JobError:
    return JobError(f"{name} is damaged or no {packing} file.", "Fetch or pack the file again.")
