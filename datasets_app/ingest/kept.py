"""Parquet files that are cut and packed as parts are: they become one as they are, once all rows are checked."""

import hashlib
import os
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from datasets_app.ingest.files import read_rows
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.pages import Damaged, pages_of
from datasets_app.ingest.parquet import READ_ERRORS
from datasets_app.ingest.parts import GROUP_BYTES, NOTHING, PartFacts, size_of
from datasets_app.ingest.schema import columns_of, plain_schema, text_bytes
from datasets_app.ingest.source import BLOCK_BYTES, MIB, Chunk, Source

# The engine reads what these pack as fast as it reads what is packed with ours.
CODECS = {"ZSTD", "SNAPPY", "LZ4"}
MOST_BYTES = 1024 * MIB
# Many small row groups make work that is cut by them slow.
LEAST_GROUP_BYTES = MIB
SIGN_OF_LIFE_SECONDS = 1.0


class _Unfit(Exception):
    """The file is not what its footer says, or larger where it is unpacked."""


def keep_parquet(source: Source, folder: Path, stem: str) -> Iterator[Chunk | PartFacts]:
    """Copy a Parquet file as a part, `<stem>-00000.parquet`: yields its rows as `read_rows` does, then the facts.

    Ends without the facts, and leaves nothing behind, for a file that has to be written anew: its row groups are larger
    or much smaller than those of parts, it is packed otherwise or not at all, or its columns have other types than are
    stored. Raises JobError as `read_rows` does.
    """
    rows = _rows_of_groups(source)
    if rows is None:
        return
    path = folder / f"{stem}-00000.parquet"
    is_kept = False
    try:
        # The copy is checked, not the file, which somebody may change meanwhile.
        yield from _copied(source.path, path)
        facts = yield from _checked(replace(source, path=path), rows)
        is_kept = True
        yield facts
    except _Unfit:
        return
    finally:
        if not is_kept:
            path.unlink(missing_ok=True)


def _rows_of_groups(source: Source) -> list[int] | None:
    """As the footer has them; None if it says that the file will not do."""
    if source.kind is not Kind.PARQUET or source.options.bad_rows or source.options.rows or source.bytes > MOST_BYTES:
        return None
    try:
        with parquet.ParquetFile(source.path) as file:
            own, about = file.schema_arrow, file.metadata
            groups = [about.row_group(index) for index in range(about.num_row_groups)]
            codecs = {group.column(index).compression for group in groups for index in range(group.num_columns)}
    except READ_ERRORS:
        return None  # read_rows says what is wrong
    has_extensions = any(b"ARROW:extension:name" in (field.metadata or {}) for field in own)
    sizes = [group.total_byte_size for group in groups]
    is_well_cut = len(groups) == 1 or sum(sizes) >= LEAST_GROUP_BYTES * len(groups)
    is_small = all(size <= GROUP_BYTES for size in sizes)
    is_plain = own.equals(plain_schema(own)) and not has_extensions and codecs <= CODECS
    return [group.num_rows for group in groups] if is_plain and is_well_cut and is_small else None


def _checked(source: Source, rows: list[int]) -> Generator[Chunk, None, PartFacts]:
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(_digest_of_sound_pages, source.path)
        chunks, groups = read_rows(source), []
        schema = pa.schema([])
        for count in filter(None, rows):
            size, texts = NOTHING, Counter[str]()
            while size.rows < count:
                chunk = next(chunks, None)
                if chunk is None or chunk.table is None:
                    raise _Unfit
                size, schema = size.plus(size_of(chunk.table)), chunk.table.schema
                texts.update(text_bytes(chunk.table))
                yield chunk
            if size.rows > count or not size.is_a_group():
                raise _Unfit
            groups.append({"rows": count, "bytes": dict(texts)})
        if next(chunks, None) is not None or not groups:
            raise _Unfit
        while not digest.done():
            wait([digest], SIGN_OF_LIFE_SECONDS)
            yield Chunk(None, source.bytes)
        return PartFacts(source.path.name, sum(rows), source.bytes, digest.result(), groups, columns_of(schema))


def _copied(source: Path, target: Path) -> Iterator[Chunk]:
    with source.open("rb") as file, target.open("wb") as copy:
        while data := file.read(BLOCK_BYTES):
            copy.write(data)
            yield Chunk(None, 0)


def _digest_of_sound_pages(path: Path) -> str:
    """The sha256 of a file, once it is on the disk. Raises _Unfit if a row group takes more memory than a part's."""
    with parquet.ParquetFile(path) as file:
        for index in range(file.num_row_groups):
            group = file.metadata.row_group(index)
            if sum(_unpacked_bytes(path, group)) > GROUP_BYTES:
                raise _Unfit
    with path.open("rb") as written:
        os.fsync(written.fileno())
        return hashlib.file_digest(written, "sha256").hexdigest()


def _unpacked_bytes(path: Path, group: parquet.RowGroupMetaData) -> Iterator[int]:
    try:
        for index in range(group.num_columns):
            for page in pages_of(path, group.column(index), looks_into_dictionaries=False):
                yield page.unpacked_bytes
    except Damaged:
        raise _Unfit from None
