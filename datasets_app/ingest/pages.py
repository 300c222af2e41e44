"""What the pages of a Parquet file say of their size, whatever its footer says: the headers alone are read.

They are structs of Thrift's compact protocol, see https://github.com/apache/parquet-format.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet

HEADER_BYTES = 1 << 16
DICTIONARY_PAGE = 2
DELTA_BYTE_ARRAY = 7
# Fields of a page header, and of what it says of a page of data (5, or 8 in the second version) or a dictionary (7).
TYPE, UNPACKED, PACKED = 1, 2, 3
DATA, DICTIONARY, DATA_2 = 5, 7, 8
VALUES, ENCODING, ENCODING_2 = 1, 2, 4
TRUE = 1
DICTIONARY_LOOKED_AT = 4 << 20
LENGTH_BYTES = 4


class Damaged(ValueError):
    """These bytes are no page header."""


@dataclass(frozen=True)
class Page:
    is_dictionary: bool
    values: int
    unpacked_bytes: int
    longest_value: int  # the most that one value of it can become, where that was looked at


def pages_of(
    path: Path, column: parquet.ColumnChunkMetaData, *, looks_into_dictionaries: bool = True
) -> Iterator[Page]:
    """Of one column of one row group. Raises Damaged, and OSError for a file that ends too early."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
        start = column.dictionary_page_offset
    end = start + column.total_compressed_size
    looks = looks_into_dictionaries and column.physical_type == "BYTE_ARRAY"
    with path.open("rb") as file:
        while start < end:
            file.seek(start)
            header, size = _header(file.read(HEADER_BYTES))
            if min(header.get(PACKED, -1), header.get(UNPACKED, -1)) < 0:
                raise Damaged("a page of less than nothing")
            start += size
            yield _page(file, start, header, column.compression if looks else "")
            start += header[PACKED]


def _page(file: BinaryIO, start: int, header: dict[int, Any], compression: str) -> Page:
    unpacked = header[UNPACKED]
    if header.get(TYPE) == DICTIONARY_PAGE:
        values = header.get(DICTIONARY, {}).get(VALUES, 0)
        longest = _longest(file, start, header, compression) if compression else 0
        return Page(True, values, unpacked, longest)
    about = header.get(DATA) or header.get(DATA_2) or {}
    encoding = about.get(ENCODING if DATA in header else ENCODING_2)
    # Each value of it may begin with all of the one before.
    longest = unpacked if encoding == DELTA_BYTE_ARRAY else 0
    return Page(False, about.get(VALUES, 0), unpacked, longest)


def _longest(file: BinaryIO, start: int, header: dict[int, Any], compression: str) -> int:
    """The longest text of a dictionary."""
    unpacked = header[UNPACKED]
    if unpacked > DICTIONARY_LOOKED_AT:
        return int(unpacked)
    file.seek(start)
    data = file.read(header[PACKED])
    try:
        if compression != "UNCOMPRESSED":
            data = pa.decompress(data, unpacked, compression.lower().replace("lz4", "lz4_raw"), asbytes=True)
    except (pa.ArrowException, OSError, ValueError):
        return int(unpacked)
    longest = at = 0
    while at + LENGTH_BYTES <= len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "little")
        longest = max(longest, length)
        at += LENGTH_BYTES + length
    return longest


def _header(data: bytes) -> tuple[dict[int, Any], int]:
    try:
        reader = _Compact(data)
        return reader.struct(), reader.at
    except (IndexError, RecursionError) as error:
        raise Damaged("a page header that makes no sense") from error


class _Compact:
    """Just enough of Thrift's compact protocol: numbers and structs are kept, all else is passed over."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            fields[field] = self._value(head & 15)
        return fields

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == TRUE
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                self.at += 8
            case 8:
                length = self._varint()
                self.at += length
            case 9 | 10:
                head = self._byte()
                for _ in range(self._varint() if head >> 4 == 15 else head >> 4):
                    self._value(head & 15)
            case 12:
                return self.struct()
            case _:
                raise Damaged(f"a field of kind {kind}")
        return None

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
