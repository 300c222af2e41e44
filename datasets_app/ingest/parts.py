"""Writes rows as Parquet parts: small row groups, so that work can be cut by bytes and rows be looked up quickly."""

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyarrow import parquet

from datasets_app.errors import JobError
from datasets_app.ingest.schema import columns_of, text_bytes
from datasets_app.ingest.source import MIB, ROW_TEXT_BYTES, too_long

GROUP_TEXT_BYTES = 16 * MIB
GROUP_BYTES = 64 * MIB
GROUP_ROWS = 1 << 18
PART_BYTES = 256 * MIB


@dataclass(frozen=True)
class PartFacts:
    """A finished part. `row_groups` has for each group its rows and, by column, its bytes of text."""

    name: str
    rows: int
    bytes: int
    sha256: str
    row_groups: list[dict[str, Any]]
    columns: list[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class PartWriter:
    """Writes tables of one schema as `<stem>-00000.parquet` and so on; the same rows in make the same bytes out.

    A context manager: left by an exception, it removes every part it wrote.
    """

    def __init__(self, folder: Path, stem: str, name: str) -> None:
        self.parts: list[PartFacts] = []
        self.rows = 0
        self._folder = folder
        self._stem = stem
        self._name = name  # of the source, for messages
        self._waiting: list[pa.Table] = []
        self._waiting_size = Size(0, 0, 0)
        self._part: _OpenPart | None = None
