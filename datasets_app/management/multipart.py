"""The body of a form, cut into its parts as it arrives: each of its files is written once, and renamed later."""

import io
import re
import secrets
import tempfile
from typing import IO, Any

BOUNDARY = re.compile(rb'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)
NAMES_A_FILE = re.compile(rb';\s*filename(?:\*\s*=|\s*=\s*(?:"[^"]|[^"\s;]))', re.IGNORECASE)  # as Django sees it
END_OF_HEAD = b"\r\n\r\n"
# A head that is longer stays in the form, as do parts without one.
HEAD_BYTES = 1 << 14
KEY_BYTES = 64
# As many as there may be parts with files, or the process runs out of open files.
MOST_FILES = 1000


class TooManyFiles(Exception):
    pass


def boundary_of(content_type: bytes) -> bytes | None:
    found = BOUNDARY.match(content_type)
    return (found[1] or found[2]) if found else None


class Form(io.BytesIO):
    """What is left without the files: in the place of each of them stands the key under which it is in `files`.

    Nobody can send a key, as they are drawn at random while the form arrives.
    """

    def __init__(self, boundary: bytes) -> None:
        super().__init__()
        self.files: dict[bytes, IO[bytes]] = {}
        self._delimiter = b"\r\n--" + boundary
        self._held = b"\r\n"  # may be the beginning of a delimiter; the first one has no line before it
        self._head: bytes | None = None  # of a part, as far as it has come
        self._file: IO[bytes] | None = None

    def write(self, data: Any) -> int:
        text, start = self._held + data, 0
        while (end := text.find(self._delimiter, start)) >= 0:
            self._take(text[start:end])
            self._end_part()
            start = end + len(self._delimiter)
        end = max(start, len(text) - len(self._delimiter) + 1)
        self._take(text[start:end])
        self._held = text[end:]
        return len(data)

    def finish(self) -> None:
        """All has come."""
        self._take(self._held)
        self._put(self._head or b"")
        self._held, self._head = b"", None
        if self._file:
            self._file.flush()

    def hand_over(self) -> dict[bytes, IO[bytes]]:
        """The files, which are somebody else's to close from now on; that removes them."""
        files, self.files = self.files, {}
        return files

    def close(self) -> None:
        for file in self.files.values():
            file.close()
        super().close()

    def _end_part(self) -> None:
        self._put((self._head or b"") + self._delimiter)
        if self._file:
            self._file.flush()
        self._head, self._file = b"", None

    def _take(self, text: bytes) -> None:
        if self._file:
            self._file.write(text)
        elif self._head is None:
            self._put(text)
        else:
            self._take_head(self._head + text)

    def _take_head(self, text: bytes) -> None:
        head, end, content = text.partition(END_OF_HEAD)
        if not end and len(text) < HEAD_BYTES:
            self._head = text
            return
        self._head = None
        self._put(head + end)
        if end and NAMES_A_FILE.search(head):
            self._put(self._begin_file())
        self._take(content)

    def _begin_file(self) -> bytes:
        if len(self.files) == MOST_FILES:
            raise TooManyFiles
        key = secrets.token_hex(KEY_BYTES // 2).encode()
        self._file = self.files[key] = tempfile.NamedTemporaryFile(prefix="sent-")  # noqa: SIM115
        return key

    def _put(self, text: bytes) -> None:
        super().write(text)
