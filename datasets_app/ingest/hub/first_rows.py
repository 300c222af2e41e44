"""The first rows of a remote file, read through ranges."""

import io
import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from datasets_app.errors import JobError
from datasets_app.ingest.hub.connection import Clock, Connection
from datasets_app.ingest.hub.footers import damaged, open_parquet
from datasets_app.ingest.hub.lookup import LOOK_UP_SECONDS, bounded_connection
from datasets_app.ingest.hub.remote import HubAccess, RemoteFile
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.parquet import READ_ERRORS
from datasets_app.ingest.preview import PREVIEW_ROWS, Preview, preview
from datasets_app.ingest.source import MIB, Source

# The beginning of a text file: more only when its first row does not end in it.
HEADS_BYTES = (256 << 10, 4 * MIB, 20 * MIB)
# A block has to end well before the head does: nothing may depend on the row that is cut.
BLOCKS_IN_A_HEAD = 4
MOST_UNPACKED_BYTES = 8 * MIB
STEP_BYTES = 64 << 10
CODECS = {"gz": "gzip", "zst": "zstd"}


def preview_rows(
    file: RemoteFile,
    *,
    access: HubAccess,
    rows: int = PREVIEW_ROWS,
    seconds: float = LOOK_UP_SECONDS,
    clock: Clock | None = None,
) -> Preview:
    """The first rows as they are, and what they say of the columns. Raises HubError, and JobError as `preview` does."""
    with (
        bounded_connection(access, seconds, clock) as connection,
        tempfile.TemporaryDirectory() as folder,
    ):
        # Without the suffix that says how it is packed: its head is not.
        name = file.path.removesuffix(f".{file.compression}") if file.compression else file.path
        source = Source(Path(folder) / "head", Kind(file.kind), name)
        if file.kind == Kind.PARQUET:
            _write_first_rows(file, connection, source.path, rows)
            return preview(source, rows)
        return _preview_text(file, connection, source, rows)


def _write_first_rows(file: RemoteFile, connection: Connection, path: Path, rows: int) -> None:
    remote = open_parquet(file, connection)
    try:
        batches = remote.iter_batches(rows, row_groups=[0], use_threads=False) if remote.num_row_groups else ()
        parquet.write_table(pa.Table.from_batches(islice(batches, 1), remote.schema_arrow), path)
    except READ_ERRORS as error:
        raise damaged(file) from error


def _preview_text(file: RemoteFile, connection: Connection, source: Source, rows: int) -> Preview:
    for most in HEADS_BYTES:
        head = connection.read(file, most)
        is_whole = len(head) >= file.bytes
        data = _unpacked(head, file.compression)
        source.path.write_bytes(data)
        whole_blocks = max(1, len(data) // BLOCKS_IN_A_HEAD)
        try:
            return preview(source if is_whole else replace(source, block_bytes=whole_blocks), rows)
        except JobError:
            # It may be only the cut that is wrong with it.
            if is_whole or most == HEADS_BYTES[-1]:
                raise
    raise AssertionError("the last head was shown or refused")


def _unpacked(data: bytes, compression: str) -> bytes:
    """As much as there is in a beginning that may end anywhere, and not too much."""
    if not compression:
        return data
    unpacked = bytearray()
    try:
        with pa.CompressedInputStream(io.BytesIO(data), CODECS[compression]) as stream:
            while len(unpacked) < MOST_UNPACKED_BYTES and (piece := stream.read(STEP_BYTES)):
                unpacked += piece
    except (OSError, pa.ArrowException):
        pass
    return bytes(unpacked)
