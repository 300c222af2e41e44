"""The bytes of a download that are on disk already, which outlive the process that fetched them."""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from datasets_app.errors import JobError, disk_full_explained
from datasets_app.ingest.hub.remote import RemoteFile

READ_BYTES = 1 << 20
LOCK_SECONDS = 10.0
LOCK_LOOK_SECONDS = 0.1
# Left to the end, bringing a large file to a slow disk could take longer than a child may be silent.
SYNC_BYTES = 64 << 20
DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def bytes_there(target: Path) -> int:
    """How much of a file has come, be it whole or not."""
    for path in (target, part_of(target)):
        with suppress(FileNotFoundError):
            return path.stat().st_size
    return 0


class PartFile:
    """`<target>.part`, and beside it `.part.etag` with what the bytes are a part of. To be used by `with`.

    Call `catch_up` first: it reads what is there, for the checksum.
    """

    def __init__(self, file: RemoteFile, target: Path) -> None:
        self.file, self.target = file, target
        self.path = part_of(target)
        self.bytes = 0
        self._etag_path = target.with_name(f"{target.name}.part.etag")
        self._etags: dict[str, str] = {}
        self._start_hashes()

    def __enter__(self) -> Self:
        while not self._opened():
            pass
        return self

    def _opened(self) -> bool:
        """False if the file got another name, or went, while another process had the lock."""
        if self.target.exists() and not self.path.exists():
            self.target.rename(self.path)  # killed after it was finished: it is checked again
        with disk_full_explained():
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._stream = os.fdopen(descriptor, "r+b", buffering=0)
        is_there = False
        try:
            self._lock()
            is_there = self.path.exists() and os.path.samestat(os.fstat(descriptor), self.path.stat())
        finally:
            if not is_there:
                self._stream.close()
        return is_there

    def _lock(self) -> None:
        """Who has lost its lease may still be writing for a moment; then it ends, and its lock with it."""
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise JobError(
                        f"Another process is still downloading {self.file.path}.", "Try again in a minute."
                    ) from None
                time.sleep(LOCK_LOOK_SECONDS)
            except OSError:
                return  # a disk that knows no locks: leases alone have to do

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    def catch_up(self) -> Iterator[int]:
        """Hash what is on disk; yields how much of it that was, to show that something goes on."""
        self._etags = self._read_etags()
        there = self._stream.seek(0, os.SEEK_END)
        if not there:
            return
        if there > self.file.bytes or (there < self.file.bytes and not self._etags):
            self.restart()
            return
        self._stream.seek(0)
        while piece := self._stream.read(READ_BYTES):
            self._hash(piece)
            yield self.bytes

    @property
    def etag(self) -> str:
        """What the Hub called the content when the first byte came; "" before."""
        return self._etags.get("hub", "")

    @property
    def validator(self) -> str:
        """What the rest is to be asked for by, in an If-Range; "" if there is nothing that may be."""
        return self._etags.get("sender", "")

    def begin(self, etag: str, validator: str) -> None:
        """Remember what the bytes to come are a part of."""
        self._etags = {"hub": etag, "sender": validator}
        with disk_full_explained():
            self._etag_path.write_text(json.dumps(self._etags))

    def append(self, piece: bytes) -> None:
        with disk_full_explained():
            view = memoryview(piece)
            while view:
                view = view[self._stream.write(view) :]
            if self.bytes // SYNC_BYTES != (self.bytes + len(piece)) // SYNC_BYTES:
                os.fsync(self._stream.fileno())
        self._hash(piece)

    def restart(self) -> None:
        """Forget all bytes."""
        self._stream.seek(0)
        self._stream.truncate()
        self._etag_path.unlink(missing_ok=True)
        self._etags, self.bytes = {}, 0
        self._start_hashes()

    @property
    def is_right(self) -> bool:
        """Whether length and checksum are those of the file. Without a known checksum the Hub's etag has to do."""
        if self.bytes != self.file.bytes:
            return False
        if self.file.sha256 or self.file.blob_sha1:
            return self.file.sha256 == self.sha256 or self.file.blob_sha1 == self._sha1.hexdigest()
        return not DIGEST.fullmatch(self.etag) or self.etag in (self.sha256, self._sha1.hexdigest())

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def finish(self) -> None:
        """Make it the target, on disk for good."""
        with disk_full_explained():
            os.fsync(self._stream.fileno())
        self.path.replace(self.target)
        self._etag_path.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._etag_path.unlink(missing_ok=True)

    def _start_hashes(self) -> None:
        self._sha256 = hashlib.sha256()
        # Git's own hash of a file, which is what the Hub has of small ones.
        self._sha1 = hashlib.sha1(b"blob %d\0" % self.file.bytes, usedforsecurity=False)

    def _hash(self, piece: bytes) -> None:
        self._sha256.update(piece)
        if not self.file.sha256:
            self._sha1.update(piece)
        self.bytes += len(piece)

    def _read_etags(self) -> dict[str, str]:
        try:
            etags = json.loads(self._etag_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}  # killed before or while it was written, when there was nothing to lose
        return etags if isinstance(etags, dict) else {}
