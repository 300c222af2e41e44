"""The files of an output: what they are called, where they belong, and whether they are there."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_app.errors import JobError

MANIFEST = "manifest.json"
DATA, LEDGER, STATISTICS = "data", "ledger", "statistics"
STATE = "state"


@dataclass(frozen=True)
class OutputFile:
    """A file of the output; `path` is relative to its folder, `role` as in FileFacts, or "state" for the small ones."""

    role: str
    split: str
    path: str
    rows: int
    bytes: int
    sha256: str


def data_path(split: str, number: int, count: int) -> str:
    """Where the data file `number` (from 0) of `count` belongs; `count` is at least 1."""
    return f"{split}/data-{number:05d}-of-{count:05d}.arrow"


def ledger_path(split: str, number: int, count: int) -> str:
    """Where the ledger of that data file belongs."""
    return f"ledger/{split}/rows-{number:05d}-of-{count:05d}.parquet"


def statistics_path(split: str, number: int, count: int) -> str:
    """Where the statistics of that data file belong."""
    return f"ledger/{split}/statistics-{number:05d}-of-{count:05d}.parquet"


PATHS = {DATA: data_path, LEDGER: ledger_path, STATISTICS: statistics_path}


def verify(out: Path, files: Iterable[OutputFile], *, read: bool = True) -> None:
    """Raise JobError unless all files are there with the right sizes and, if they are to be read, hashes."""
    for file in files:
        path = out / file.path
        if not path.is_file() or path.stat().st_size != file.bytes or (read and _sha256(path) != file.sha256):
            raise JobError(f"{file.path} is missing or not as it was written.", "Tokenize the dataset again.")


def files_of(manifest: Mapping[str, Any]) -> list[OutputFile]:
    """The files that a manifest names."""
    return [OutputFile(**file) for file in manifest["files"]]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
