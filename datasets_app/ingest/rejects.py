"""Bad rows that are set aside: listed in a file of JSON lines, up to a limit."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from datasets_app.errors import JobError

SHOWN_CHARACTERS = 2000
SUFFIX = "-rejected.jsonl"
# A character in UTF-8 has at most so many bytes.
WIDEST = 4


class Fault(NamedTuple):
    """A bad row within a block: from where to where, on which line of the file, and what is wrong with it.

    A misfit is sound by itself, but not of the columns' types.
    """

    start: int
    end: int
    line: int
    error: JobError
    is_misfit: bool = False


class Rejects:
    """A context manager, to be left after `finish`; left by an exception, it removes its file.

    Without a `path` the rows are only counted.
    """

    def __init__(self, limit: int = 0, source_name: str = "", path: Path | None = None) -> None:
        self.limit = limit
        self.count = 0
        self._source_name = source_name
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        try:
            if self._file:
                self._file.close()
        except OSError:  # what is not written yet does not fit on the disk, which is told already
            if kind is None:
                raise
        finally:
            if kind is not None and self._path:
                self._path.unlink(missing_ok=True)

    def add(self, line: int, error: JobError, text: bytes) -> None:
        """Raises the error itself for the row that is one too many."""
        self.count += 1
        if self.count > self.limit:
            raise self._one_too_many(error)
        if self._path is None:
            return
        self._file = self._file or self._path.open("w")
        shown = text[: SHOWN_CHARACTERS * WIDEST].decode(errors="replace")[:SHOWN_CHARACTERS]
        row = {"file": self._source_name, "line": line, "reason": str(error), "text": shown}
        self._file.write(json.dumps(row) + "\n")

    def finish(self) -> list[dict[str, Any]]:
        """What there is to publish: one file, or none where no row was bad."""
        if self._file is None or self._path is None:
            return []
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        size = self._path.stat().st_size
        return [{"role": "rejected", "name": self._path.name, "bytes": size, "sha256": digest, "rows": self.count}]

    def _one_too_many(self, error: JobError) -> JobError:
        if not self.limit:
            return error
        said = f"{error} It is bad row {self.count:,}, and {self.limit:,} may be set aside."
        return JobError(said, error.advice)
