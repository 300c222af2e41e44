"""Making datasets: with a queued import of files that are here, or in the place of one that failed."""

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from datasets_app import storage
from datasets_app.errors import JobError, refuse_token
from datasets_app.jobs import RETRIABLE
from datasets_app.models import NAME_LENGTH, Dataset, Import, ImportShard
from datasets_app.names import shown_name

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def check_name(name: str) -> None:
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise JobError(f"A dataset’s name has 1 to {NAME_LENGTH} printable characters.", "Choose another name.")
    refuse_token(name)


def check_splits(splits: set[str]) -> None:
    """Each becomes a folder, and not every disk tells Train from train. JobError for what cannot be one."""
    for split in splits:
        if not storage.is_split_name(split):
            raise JobError(
                f"{split} cannot be the name of a split.", "Use letters, digits, _ and single dots, such as train."
            )
    if len({split.lower() for split in splits}) < len(splits):
        raise JobError("Two splits differ only in upper and lower case.", "Give them names that differ more.")


def create_dataset(name: str, source: str, files: list[dict[str, Any]], **fields: Any) -> Dataset:
    """A dataset with its queued import, one shard a file ({"name", "path", "split", "kind", "bytes"}).

    JobError if the name is taken. `fields`: created_by, actor (its owner), text_column, upload, options, hold.
    """
    check_name(name)
    check_splits({file["split"] for file in files})
    user = fields.get("created_by")
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(
                name=name, source=source, created_by=user, text_column=fields.pop("text_column", "")
            )
            job = start_import(dataset, files, **fields)
    except IntegrityError as error:
        raise JobError(f"There is already a dataset named {name}.", "Choose another name.") from error
    if not fields.get("hold"):
        job.wake()
    return dataset


def start_import(dataset: Dataset, files: list[dict[str, Any]], **fields: Any) -> Import:
    """The queued import of a dataset that has none. Inside a transaction; nobody is woken. `fields` as above."""
    job = Import.objects.create(
        dataset=dataset,
        created_by=fields.get("created_by", dataset.created_by),
        upload=fields.get("upload"),
        options=fields.get("options") or {},
        bytes_total=sum(file["bytes"] for file in files),
        **fields.get("hold") or {},
    )
    ImportShard.objects.bulk_create(
        ImportShard(
            job=job,
            index=index,
            name=shown_name(file["name"]),
            path=file["path"],
            split=file["split"],
            kind=file["kind"],
            bytes_total=file["bytes"],
        )
        for index, file in enumerate(files)
    )
    job.tell("queued", "Import queued.", fields.get("actor", dataset.created_by))
    return job


def replace_dataset(
    failed: Import, actor: "User", name: str, files: list[dict[str, Any]], **fields: Any
) -> Dataset | None:
    """Delete the dataset of a failed or cancelled import and import its files anew for the same owner, both or neither.

    None if somebody set it going or deleted it meanwhile. JobError and `fields` as of `create_dataset`.
    """
    dataset = failed.dataset
    with transaction.atomic():
        failed.lock_dataset()
        if not Import.objects.visible().filter(pk=failed.pk, status__in=RETRIABLE).exists():
            return None
        dataset.mark_for_deletion(actor)
        return create_dataset(name, dataset.source, files, created_by=dataset.created_by, actor=actor, **fields)
