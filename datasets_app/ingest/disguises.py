"""Files that are not what their extension says."""

import re

from datasets_app.errors import JobError
from datasets_app.ingest.encodings import BYTE_ORDER_MARKS
from datasets_app.ingest.kinds import PACKINGS, Kind, packing_of
from datasets_app.ingest.source import Source
from datasets_app.ingest.streams import head_bytes

LOOKED_AT = 4096
UNPACK = "Unpack it, and bring in the files inside."
FETCH = "Fetch the file itself: a download link often answers with a page."
# Where a file of another kind has what, what it is called, and what to do about it.
SIGNATURES = (
    (0, b"PK\x03\x04", "a ZIP archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x1f\x8b", "packed with gzip", "Name it with .gz at the end, or unpack it."),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", "Name it with .zst at the end, or unpack it."),
    (4, b"1AY&SY", "packed with bzip2", "Unpack it, or pack it with gzip or zstd."),
    (0, b"\xfd7zXZ\x00", "packed with xz", "Unpack it, or pack it with gzip or zstd."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"PAR1", "a Parquet file", "Name it with .parquet at the end."),
    (0, b"ARROW1", "an Arrow file", "Write it as Parquet."),
    (0, b"%PDF-", "a PDF document", "Extract its text into a .txt file."),
    (0, b"SQLite format 3\x00", "an SQLite database", "Export its table as CSV or Parquet."),
    (0, b"\x80\x04\x95", "a Python pickle", "Write its rows as Parquet or JSON lines. Pickles are never opened."),
)
PAGE = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)
OBJECT = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:')
STRUCTURED = (Kind.CSV, Kind.TSV, Kind.JSON, Kind.JSONL)


def refuse_disguised(source: Source) -> None:
    """Raises JobError for a file whose beginning says that it is something else."""
    with source.path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if packing := packing_of(source.name):
        magic = next(magic for _, magic, said, _ in SIGNATURES if said.endswith(packing))
        if start and not start.startswith(magic):
            raise JobError(f"{source.name} is not packed with {packing}, as its name says.", "Give it its right name.")
        start = head_bytes(source, LOOKED_AT)
    own = b"PAR1" if source.kind is Kind.PARQUET else None
    for place, magic, said, advice in SIGNATURES:
        if magic != own and start[place : place + len(magic)] == magic:
            raise JobError(f"{source.name} is {said}, not {words(source.kind)}.", advice)
    _refuse_text_of_another_kind(source, start)


def _refuse_text_of_another_kind(source: Source, start: bytes) -> None:
    for mark in BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    is_text = source.kind is Kind.TXT
    if not is_text and PAGE.match(start):
        raise JobError(f"{source.name} is a web page, not {words(source.kind)}.", FETCH)
    if source.kind in (Kind.CSV, Kind.TSV) and OBJECT.match(start):
        raise JobError(f"{source.name} is JSON, not {words(source.kind)}.", "Name it with .jsonl at the end.")


def words(kind: Kind) -> str:
    named = {Kind.PARQUET: "a Parquet file", Kind.TXT: "a text file"}
    return named.get(kind, "JSON" if kind in (Kind.JSON, Kind.JSONL) else kind.upper())


assert set(PACKINGS.values()) <= {said.rpartition(" ")[2] for _, _, said, _ in SIGNATURES}
