"""What every reader is given and gives."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import ReadingOptions

MIB = 1 << 20
BLOCK_BYTES = 4 * MIB
ROW_TEXT_BYTES = 16 * MIB
CHOOSE_ADVICE = "Choose a file with rows in it."
DETECTED = ReadingOptions()
TOO_LONG_ADVICE = "Split long documents into several rows."
# UnicodeDecodeError: pyarrow meets a column name that is not UTF-8.
PARSE_ERRORS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeDecodeError)


@dataclass(frozen=True)
class Source:
    """A file to read. `name` is what its owner calls it, for messages and for how it is packed."""

    path: Path
    kind: Kind
    name: str
    options: ReadingOptions = DETECTED
    block_bytes: int = BLOCK_BYTES

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size


class Chunk(NamedTuple):
    """Rows, and how many bytes of the file have been read so far. Without rows it is only a sign of life."""

    table: pa.Table | None
    bytes_read: int


class SchemaChanged(Exception):
    """A later part of the file needs a wider schema, which fits all of it: read it again with that one."""

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__("the columns of the file are wider than its beginning")
        self.schema = schema


def too_long(where: str, advice: str = "", *, limit_bytes: int = ROW_TEXT_BYTES) -> JobError:
    return JobError(f"{where} is over {limit_bytes // MIB} MiB.", advice or TOO_LONG_ADVICE)


def not_utf8(where: str, advice: str = "") -> JobError:
    usual = "Choose the encoding it was written in, save the file as UTF-8, or remove the damaged characters."
    return JobError(f"{where} is not valid UTF-8.", advice or usual)


def with_nul(where: str) -> JobError:
    return JobError(f"{where} has a NUL byte, which no text has.", "Remove it, or write the file again as text.")


def empty(name: str) -> JobError:
    return JobError(f"{name} is empty.", CHOOSE_ADVICE)


def in_a_sentence(error: Exception) -> str:
    """What a library says, as the end of a sentence of ours."""
    return str(error).partition("\n")[0].rstrip(". ")


def column_twice(names: list[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
