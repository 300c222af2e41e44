"""The log file of each supervised process: one folder, a bounded size, and the lines a person should see."""

import os
import re
import time
from pathlib import Path
from typing import BinaryIO

LARGEST_LOG_BYTES = 10 * 2**20
LAST_LINES_BYTES = 4096
LONGEST_LINE = 300
REPEAT_SECONDS = 60.0
SHOWN_AT_ONCE = 3
BAD_LINE = re.compile(r"^\S+ \S+ (?:ERROR|CRITICAL) (.+)$")


def open_log(path: Path) -> BinaryIO:
    """For appending; a log that has grown large becomes `name.log.1` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab", buffering=0)


def last_line(path: Path, start: int) -> str:
    """The last line written after byte `start`, or nothing."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - LAST_LINES_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:LONGEST_LINE] if lines else ""


class BadLines:
    """Reads what was appended to a log and picks the errors, each text at most once a minute."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._shown: dict[str, float] = {}

    def new(self) -> list[str]:
        found = [match[1][:LONGEST_LINE] for match in map(BAD_LINE.match, self._appended()) if match]
        fresh = [line for line in dict.fromkeys(found) if self._is_fresh(line)]
        return fresh[:SHOWN_AT_ONCE]

    def _appended(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            self._position = min(self._position, file.seek(0, os.SEEK_END))  # a fresh file is shorter
            file.seek(self._position)
            text = file.read(LARGEST_LOG_BYTES)
        complete = text[: text.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.decode(errors="replace").splitlines()

    def _is_fresh(self, line: str) -> bool:
        now = time.monotonic()
        self._shown = {text: when for text, when in self._shown.items() if now - when < REPEAT_SECONDS}
        return self._shown.setdefault(line, now) == now
