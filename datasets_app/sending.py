"""Uploads in pieces: what is wanted of a file next is what is not on disk yet, whatever was lost on the way."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User

from datasets_app import storage
from datasets_app.errors import JobError, disk_full_explained
from datasets_app.ingest.kinds import kind_of
from datasets_app.masking import masked
from datasets_app.models import Upload
from datasets_app.names import shown_name
from datasets_app.templatetags.figures import size
from datasets_app.uploads import check_name

COPIED_BYTES = 1 << 18
SYNCED_BYTES = 1 << 26
# Left on the disk for everything else.
SPARE_BYTES = 100 * 10**6
FREE_SOME = "Import or remove what waits on this page, or ask an administrator to raise TOKENYARD_UPLOAD_QUOTA_GB."


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class OutOfPlace(Exception):
    """A piece does not begin where the file ends."""


@dataclass(frozen=True)
class Announced:
    """A file that somebody is about to send, as their browser describes it; `place` is its number there."""

    place: int
    name: str
    bytes: int
    modified: int

    def described(self, number: int) -> dict[str, Any]:
        return {
            "name": shown_name(self.name),
            "stored": str(number),
            "kind": kind_of(self.name).value,
            "bytes": self.bytes,
            "modified": self.modified,
        }


def chosen(files: list[Announced], is_folder: bool) -> tuple[list[Announced], list[str]]:
    """What can be taken, and of a folder the names of what cannot. JobError for a file that was chosen by itself."""
    kept, left_out = [], []
    for file in files:
        try:
            check(file)
            kept.append(file)
        except JobError:
            if not is_folder:
                raise
            left_out.append(masked(shown_name(file.name)))
    if not kept:
        raise JobError("There is no file here that can be read.", "Choose CSV, JSON, JSONL, Parquet or text files.")
    most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
    if len(kept) > most:
        raise JobError(f"That is {len(kept):,} files, over {most:,}.", "Join them, or add them in parts.")
    return kept, left_out


def check(file: Announced) -> None:
    check_name(file.name)
    if not file.bytes:
        raise JobError(f"{shown_name(file.name)} is empty.", "Leave it out, or choose another file.")


def check_room(user: User, wanted_bytes: int, *, is_here: bool = False) -> None:
    """JobError if so much more is over the limit of an upload, over this user's quota, or not on the disk.

    What `is_here` lies on that disk already.
    """
    limit, quota = settings.UPLOAD_LIMIT_BYTES, settings.UPLOAD_QUOTA_BYTES
    if wanted_bytes > (limit := min(limit, quota)):
        raise JobError(f"That is {size(wanted_bytes)}, over {size(limit)} for one upload.", "Split it into parts.")
    waiting = sum(upload.bytes for upload in Upload.objects.of(user))
    if waiting + wanted_bytes > quota:
        has = f"{size(waiting)} of yours {'is' if waiting == 1 else 'are'} waiting here"
        raise JobError(f"{has}, and with {size(wanted_bytes)} more it is over {size(quota)}.", FREE_SOME)
    others = sum(upload.bytes - upload.sent_bytes for upload in Upload.objects.filter(is_whole=False))
    check_disk(others + (0 if is_here else wanted_bytes))


def check_disk(wanted_bytes: int) -> None:
    free = storage.free_bytes() - SPARE_BYTES
    if wanted_bytes > free:
        raise JobError(
            f"There is room for {size(max(free, 0))} on the server’s disk, and {size(wanted_bytes)} are on their way.",
            "Ask an administrator to free some, or send less.",
        )


def begin(files: list[Announced], user: User) -> Upload:
    """The upload of these files: the one that was interrupted, if they are the same, or else a new one."""
    described = [file.described(number) for number, file in enumerate(files)]
    for upload in Upload.objects.of(user).filter(is_whole=False):
        if upload.files == described:
            upload.touch()
            return upload
    check_room(user, sum(file.bytes for file in files))
    upload = Upload(created_by=user, files=described, is_whole=False)
    storage.upload_dir(upload.pk).mkdir(parents=True)
    upload.save(force_insert=True)
    return upload


def append(upload: Upload, file: dict[str, Any], offset: int, piece: Readable) -> int:
    """Add a piece where the file ends, all of it or nothing, and give the file's new size.

    OutOfPlace if the file does not end at `offset`. JobError if the piece is too long, or the disk is full.
    """
    with ending(upload, file) as end:
        if end.tell() != offset:
            raise OutOfPlace
        try:
            with disk_full_explained():
                copy(piece, end, min(settings.UPLOAD_CHUNK_BYTES, file["bytes"] - offset))
                keep_up(end, offset, file["bytes"])
        except BaseException:
            os.ftruncate(end.fileno(), offset)
            raise
        return end.tell()


def keep_up(end: FileIO, offset: int, whole: int) -> None:
    """Have the disk write now and then, so that the end of a file has not to wait for all of it.

    What is lost with the power shows in the file's size, and is sent again.
    """
    if end.tell() == whole or end.tell() // SYNCED_BYTES > offset // SYNCED_BYTES:
        os.fsync(end.fileno())


@contextmanager
def ending(upload: Upload, file: dict[str, Any]) -> Iterator[FileIO]:
    """The file, open at its end, for nobody else at the same time."""
    with upload.path(file).open("ab", buffering=0) as end:
        fcntl.flock(end, fcntl.LOCK_EX)
        end.seek(0, os.SEEK_END)
        yield end


def copy(piece: Readable, end: FileIO, at_most: int) -> None:
    while block := piece.read(COPIED_BYTES):
        at_most -= len(block)
        if at_most < 0:
            raise JobError("More was sent than the file has, or a piece may have.", "Choose the file again.")
        view = memoryview(block)
        while view:  # a raw file may take less than it is given
            view = view[end.write(view) :]
