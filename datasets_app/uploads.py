"""Files on their way in: moved out of the web server's hands, then looked at in a child process."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile

from datasets_app import storage
from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError, refuse_token
from datasets_app.ingest.kinds import kind_of
from datasets_app.models import Upload
from datasets_app.names import shown_name
from datasets_app.rows import as_text

PREVIEWED_FILES = 6
PREVIEW_ROWS = 6
# Less than an import gets: somebody is waiting in front of the page.
PREVIEW_MEMORY_BYTES = 1 << 30
PREVIEW_SECONDS = 20.0


class Files(Protocol):
    """An upload, or what stands in for one."""

    files: list[dict[str, Any]]

    def path(self, file: dict[str, Any]) -> Path: ...


@dataclass(frozen=True)
class Preview:
    """The first rows of one file, or why it cannot be read."""

    file: dict[str, Any]
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)
    text_column: str | None = None
    warnings: list[str] = field(default_factory=list)
    # What was detected or chosen: [(what, as what it is read)]
    reading: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""
    advice: str = ""


def check_name(name: str) -> None:
    """The same for every way in. JobError for a hidden file, for a kind that is not read, and for a token."""
    refuse_token(name)
    if any(part.startswith((".", "__MACOSX")) and part not in (".", "..") for part in name.split("/")):
        raise JobError(f"{shown_name(name)} is a hidden file.", "Give it another name.")
    kind_of(shown_name(name))


def receive(files: "list[UploadedFile[Any]]", user: User) -> Upload:
    """Keep the files under numbers of ours; the names are for reading only."""
    upload = Upload(created_by=user)
    for number, file in enumerate(files):
        upload.files.append(
            {
                "name": shown_name(file.name or ""),
                "stored": str(number),
                "kind": kind_of(file.name or "").value,
                "bytes": file.size,
            }
        )
        assert isinstance(file, TemporaryUploadedFile), "uploads of any size go to disk"
        take(file, storage.upload_dir(upload.pk) / str(number))
    upload.save(force_insert=True)
    return upload


def take(file: TemporaryUploadedFile, target: Path) -> None:
    """Move rather than copy: a file of 50 GB is there already."""
    source = Path(file.temporary_file_path())
    with source.open("rb") as content:
        os.fsync(content.fileno())
    storage.publish(source, target)


def previews(upload: Files, options: dict[str, Any]) -> list[Preview]:
    """Of the first few files; the others are of the same kind, or the import says so."""
    child = Child("datasets_app.ingest.child", memory_limit_bytes=PREVIEW_MEMORY_BYTES, silence_seconds=PREVIEW_SECONDS)
    try:
        return [preview(child, upload, file, options) for file in upload.files[:PREVIEWED_FILES]]
    finally:
        child.close()


def preview(child: Child, upload: Files, file: dict[str, Any], options: dict[str, Any]) -> Preview:
    request = {
        "do": "preview",
        "path": str(upload.path(file)),
        "kind": file["kind"],
        "name": file["name"],
        "options": options,
        "rows": PREVIEW_ROWS,
    }
    try:
        seen = next(message["done"] for message in child.run(request) if message and "done" in message)
    except JobError as error:
        return Preview(file, problem=str(error), advice=error.advice)
    except ChildDied as death:
        return Preview(file, problem=f"{file['name']} cannot be shown: reading it {death}.", advice="Check the file.")
    columns = [(name, kind) for name, kind in seen["columns"]]
    rows = [{name: as_text(value) for name, value in row.items()} for row in seen["rows"]]
    reading = [(what, value) for what, value in seen["reading"]]
    return Preview(file, columns, rows, seen["text_column"], seen["warnings"], reading)
