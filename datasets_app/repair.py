"""The rules behind the data fixes: what may be edited, what files are compared with, how counts come back."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import IntegrityError, transaction
from django.db.models import F

from datasets_app import live
from datasets_app.errors import JobError
from datasets_app.importing import split_facts
from datasets_app.ingest.schema import chat_columns, text_bytes, text_columns
from datasets_app.jobs import Job, Status
from datasets_app.models import Dataset, Event, Import, Part

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NOTHING_CHANGED = "Nothing was changed."
IMPORT_AGAIN = "Restore them from a backup, or delete the dataset and import it again."
# More would not be read in a message.
FAULTS_NAMED = 10
PARTS_AT_ONCE = 100


# Edits


def edit_dataset(dataset: Dataset, changes: dict[str, Any], actor: "User | None") -> None:
    """Name, owner or text column, each with its event. JobError if it cannot be."""
    column = changes.get("text_column", dataset.text_column)
    if "text_column" in changes and column not in dataset.text_columns:
        raise JobError(f"There is no text column {column}.", f"Choose one of: {', '.join(dataset.text_columns)}.")
    try:
        with transaction.atomic():
            hold_dataset(dataset)
            before = Dataset.objects.select_related("created_by").get(pk=dataset.pk)
            redrawn = {"content_version": F("content_version") + 1} if "text_column" in changes else {}
            Dataset.objects.filter(pk=dataset.pk).update(**changes, **redrawn)
            for field, value in changes.items():
                Event.objects.create(
                    dataset=dataset, kind="edited", text=told(field, getattr(before, field), value), actor=actor
                )
            live.hint(dataset.pk)
    except IntegrityError as error:
        raise JobError(f"There is already a dataset named {changes.get('name')}.", "Choose another name.") from error


def edit_job(job: Job, changes: dict[str, Any], actor: "User | None") -> None:
    """Its owner. JobError if it is being deleted."""
    with transaction.atomic():
        hold_dataset(job.dataset)
        jobs: Any = type(job)._default_manager
        before = jobs.select_related("created_by").filter(pk=job.pk).first()
        if not jobs.visible().filter(pk=job.pk).update(version=F("version") + 1, **changes):
            raise being_deleted()
        for field, value in changes.items():
            said = f"{job.label}: {told(field, getattr(before, field), value)}"
            job.tell("edited", said, actor, redraw=False)


def told(field: str, before: Any, after: Any) -> str:
    name = {"name": "Name", "created_by": "Owner", "text_column": "Text column"}[field]
    return f"{name} changed from {before or 'nobody'} to {after or 'nobody'}."


def hold_dataset(dataset: Dataset) -> None:
    """First thing in a transaction, before any job is locked: nobody deletes the dataset before its end.

    Redraws the card.
    """
    if not Dataset.objects.visible().filter(pk=dataset.pk).update(version=F("version") + 1):
        raise being_deleted()


# Moves


def retry(job: Job, actor: "User | None") -> str:
    if not job.requeue(actor):
        raise lost(job, "queued again")
    return "Queued again; finished shards are kept."


def cancel(job: Job, actor: "User | None") -> str:
    if not job.cancel(actor):
        raise lost(job, "cancelled")
    return "Cancelled; finished shards are kept for a retry."


def mark_failed(job: Job, actor: "User | None") -> str:
    who = actor.get_username() if actor else "an operator"
    failure = f"{job.label} was marked as failed by {who}, in the administration."
    if not job.fail(failure, "Ask them why, then retry it.", actor):
        raise lost(job, "marked as failed")
    return "Marked as failed; finished shards are kept for a retry."


def lost(job: Job, wanted: str) -> JobError:
    """Why a move did not happen: where the job is now, and who brought it there."""
    found = type(job)._default_manager.select_related("ended_by").filter(pk=job.pk).first()
    if found is None or found.delete_requested_at:
        return being_deleted()
    who = f" by {found.ended_by}" if found.ended_by else ""
    when = f" since {stamp(found.ended_at)}" if found.ended_at else ""
    return JobError(f"It is {found.status}{when}{who} and was not {wanted}.", NOTHING_CHANGED)


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def being_deleted() -> JobError:
    return JobError("It is being deleted.", NOTHING_CHANGED)


def require_ready(job: Job) -> None:
    if job.status != Status.READY:
        raise JobError(f"It is {job.status}: only what is ready has files to look at.", NOTHING_CHANGED)


# Files


@dataclass(frozen=True, slots=True)
class RecordedFile:
    name: str
    path: Path
    sha256: str

    def fault(self) -> str | None:
        """In words, or None: the bytes are those that were recorded. Reads the file in small pieces."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{self.name} is missing"
        except OSError as error:
            return f"{self.name} cannot be read ({error.strerror})"
        return None if found == self.sha256 else f"{self.name} was changed"


def imported_job(dataset: Dataset) -> Import:
    """JobError unless it is ready."""
    job = dataset.begun_import
    if job is None:
        raise JobError("It is not downloaded yet.", "Wait for its download, or cancel that.")
    require_ready(job)
    return job


def verify_dataset(dataset: Dataset, actor: "User | None") -> str:
    """Hash every part again. JobError names the missing and changed ones."""
    imported = imported_job(dataset)
    files = [
        RecordedFile(str(part), part.path, part.sha256)
        for part in Part.objects.filter(dataset=dataset).defer("row_groups")
    ]
    return report(imported, len(files), faults_of(files), IMPORT_AGAIN, actor)


def faults_of(files: Iterable[RecordedFile]) -> list[str]:
    return [fault for file in files if (fault := file.fault())]


def report(job: Job, checked: int, faults: list[str], advice: str, actor: "User | None") -> str:
    """Tell what was found, to the reader and in an event: the job stays as it is. JobError if there are faults."""
    said = verdict(checked, faults)
    with transaction.atomic():
        hold_dataset(job.dataset)
        job.tell("damaged" if faults else "verified", f"{job.label}: {said}", actor, redraw=False)
    if faults:
        raise JobError(said, advice)
    return said


def verdict(checked: int, faults: list[str]) -> str:
    if not faults:
        return f"{counted_files(checked)} verified: as recorded."
    more = len(faults) - FAULTS_NAMED
    named = ", ".join(faults[:FAULTS_NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"{counted_files(checked)} verified: {named}."


def counted_files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


# Counts


def recount_dataset(dataset: Dataset, actor: "User | None") -> str:
    """Rows, bytes and splits from the footers of the parts. JobError if a part cannot be read."""
    imported = imported_job(dataset)
    parts = list(
        Part.objects.filter(dataset=dataset).order_by("pk")
    )  # as they were imported, which is the order of the splits
    for part in parts:
        count_part(part)
    rows, size = sum(part.rows for part in parts), sum(part.bytes for part in parts)
    found = f"{rows:,} rows and {size:,} bytes in {counted_files(len(parts))}"
    said = f"Recounted: {found}; there were {dataset.rows or 0:,} rows."
    with transaction.atomic():
        hold_dataset(dataset)
        Part.objects.bulk_update(parts, ["rows", "bytes", "row_groups"], batch_size=PARTS_AT_ONCE)
        facts = {"rows": rows, "bytes": size, "splits": split_facts(parts)}
        total = rows + dataset.rows_set_aside
        Dataset.objects.filter(pk=dataset.pk).update(content_version=F("content_version") + 1, **facts)
        Import.objects.filter(dataset=dataset).update(rows_total=total, version=F("version") + 1)
        imported.tell("recounted", said, actor, redraw=False)
    return said


def count_part(part: Part) -> None:
    """Set its counts from its file. Only row groups that are not those recorded have their text read."""
    try:
        with pq.ParquetFile(part.path) as file:
            groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
            if groups != [group["rows"] for group in part.row_groups]:
                part.row_groups = measured_groups(file)
        part.rows, part.bytes = sum(groups), part.path.stat().st_size
    except (OSError, pa.ArrowInvalid) as error:
        raise JobError(f"{part} cannot be read.", "Verify the files to see which ones are damaged.") from error


def measured_groups(file: pq.ParquetFile) -> list[dict[str, Any]]:
    schema = file.schema_arrow
    names = [*text_columns(schema), *chat_columns(schema)]
    tables = (file.read_row_group(number, columns=names) for number in range(file.metadata.num_row_groups))
    return [{"rows": table.num_rows, "bytes": text_bytes(table)} for table in tables]
