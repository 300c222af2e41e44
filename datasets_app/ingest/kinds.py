"""The kinds of files, by their names. Without pyarrow, so that commands and pages need not load it."""

from enum import StrEnum
from pathlib import PurePath

from datasets_app.errors import JobError


class Kind(StrEnum):
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TXT = "txt"


EXTENSIONS = {
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".parquet": Kind.PARQUET,
    ".txt": Kind.TXT,
}
# By extension: how a file is packed, in words.
PACKINGS = {".gz": "gzip", ".zst": "zstd"}


def kind_of(name: str) -> Kind:
    """The kind of a file, by the extension of its name. Raises JobError for one that cannot be read."""
    path = PurePath(name)
    packing = packing_of(name)
    extension = PurePath(path.stem if packing else path).suffix.lower()
    kind = EXTENSIONS.get(extension)
    if kind is None:
        *others, last = [*EXTENSIONS, *PACKINGS]
        said = f"has the extension {extension or path.suffix}" if extension or packing else "has no extension"
        raise JobError(f"{name} {said}, which cannot be read.", f"Use {', '.join(others)} or {last}.")
    if packing and kind is Kind.PARQUET:
        raise JobError(f"{name} is packed twice: Parquet is packed in itself.", "Unpack it.")
    return kind


def packing_of(name: str) -> str | None:
    return PACKINGS.get(PurePath(name).suffix.lower())
