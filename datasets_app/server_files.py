"""Files on the server, inside the folders that settings name. They are read where they are."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets_app import storage
from datasets_app.errors import JobError
from datasets_app.ingest.kinds import kind_of
from datasets_app.names import shown_name
from datasets_app.uploads import check_name

MARKS = frozenset("*?[")
ANY_FOLDERS = "**"
LOOKED_AT = 100_000
NAMED = 5


def find(typed: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The files that a path, a folder or a pattern such as `wiki/**/*.jsonl` names, and what was left out and why.

    JobError for what lies outside, or leads there, and in the same words for what is not there.
    """
    start, pattern = parted(typed.strip())
    if not pattern and start.is_file():
        return [described(start, start.name)], []
    if not start.is_dir():
        raise nowhere(typed)
    files, left_out = [], []
    for path in matching(start, pattern or [ANY_FOLDERS, "*"]):
        try:
            files.append(described(path, path.relative_to(start.parent).as_posix()))
        except JobError as error:
            left_out.append(f"{error} It is left out.")
    if not files:
        raise JobError(f"There is no file under {shown_name(typed)} that can be read.", "Give another path or pattern.")
    if len(files) > settings.DATA_UPLOAD_MAX_NUMBER_FILES:
        raise JobError(f"{shown_name(typed)} names {len(files):,} files.", "Join them, or take them in parts.")
    return files, in_few_words(left_out)


def parted(typed: str) -> tuple[Path, list[str]]:
    """Where to begin, inside the allowed folders, and the parts of the pattern from there on."""
    parts = Path(typed).parts
    if "\0" in typed or ".." in parts:
        raise nowhere(typed)
    marked = next((number for number, part in enumerate(parts) if MARKS & set(part)), len(parts))
    for fixed, folder in product((len(parts), marked), settings.IMPORT_DIRS):
        start = folder.joinpath(*parts[:fixed])  # a whole path takes the folder's place
        if storage.is_importable(start) and os.access(start, os.R_OK):
            return start, without_repeats(parts[fixed:])
    raise nowhere(typed)


def without_repeats(pattern: tuple[str, ...]) -> list[str]:
    """`**` twice in a row says nothing more, and takes for ever."""
    before = ("", *pattern)
    return [part for part, last in zip(pattern, before, strict=False) if (part, last) != (ANY_FOLDERS, ANY_FOLDERS)]


def matching(start: Path, pattern: list[str]) -> Iterator[Path]:
    """Files under a folder, in order. Linked folders are not entered: what is behind them may be anything."""
    looked_at = 0
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(folder).relative_to(start).parts
        if ANY_FOLDERS not in pattern and len(inside) + 1 >= len(pattern):
            folders.clear()
        for name in sorted(names):
            looked_at += 1
            if not name.startswith(".") and fits([*inside, name], pattern):
                yield Path(folder, name)
        if looked_at > LOOKED_AT:
            raise JobError(f"{shown_name(str(start))} has over {LOOKED_AT:,} files.", "Give a narrower path.")


def fits(parts: list[str], pattern: list[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == ANY_FOLDERS:
        return fits(parts, pattern[1:]) or fits(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and fits(parts[1:], pattern[1:])


def described(path: Path, name: str) -> dict[str, Any]:
    """JobError for what cannot be read, or leads outside."""
    storage.check_importable(path, shown_name(name))
    check_name(name)
    kind = kind_of(shown_name(name)).value
    real = Path(os.path.realpath(path))
    if not real.is_file() or not os.access(real, os.R_OK):
        raise JobError(f"{shown_name(name)} is not a file that this server can read.")
    if not (size := real.stat().st_size):
        raise JobError(f"{shown_name(name)} is empty.")
    return {"name": shown_name(name), "path": str(real), "kind": kind, "bytes": size}


def nowhere(typed: str) -> JobError:
    folders = " or ".join(map(str, settings.IMPORT_DIRS))
    if not folders:
        return JobError("Files of the server cannot be imported.", "An administrator may set TOKENYARD_IMPORT_DIRS.")
    return JobError(f"{shown_name(typed)} is nothing that may be imported.", f"Give a path inside {folders}.")


def in_few_words(left_out: list[str]) -> list[str]:
    more = len(left_out) - NAMED
    return left_out[:NAMED] + ([f"{more:,} more files are left out."] if more > 0 else [])
