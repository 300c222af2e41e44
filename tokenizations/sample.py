"""The sample dataset: made by an import like any other, which brings two tokenizers along."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.dispatch import receiver

from datasets_app.creating import create_dataset
from datasets_app.errors import JobError
from datasets_app.importing import SAMPLE
from datasets_app.jobs import Job
from datasets_app.models import Dataset
from datasets_app.signals import import_finishing
from tokenizations.adding import add_tokenizer
from tokenizations.models import Tokenizer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME = "python-stdlib"
SOURCE = "The standard library of this server’s Python"
# What it comes to with the interpreters of today; only the bar depends on it.
EXPECTED_BYTES = 24_000_000


def add_sample(user: "User | None") -> Dataset:
    """Queue the import of the sample. JobError if it is here already."""
    file = {"name": SOURCE, "path": "", "split": "train", "kind": SAMPLE, "bytes": EXPECTED_BYTES}
    return create_dataset(NAME, Dataset.Source.SAMPLE, [file], created_by=user, text_column="text")


@receiver(import_finishing, dispatch_uid="tokenizations.sample")
def add_tokenizers(sender: object, job: Job, staging: Path, **kwargs: Any) -> None:
    """Perhaps again after a crash: what is here already stays."""
    for shard in job.shards.all():
        for file in shard.files:
            known = Tokenizer.objects.filter(sha256=file["sha256"]).exists()
            if file.get("role") == "tokenizer" and not known:
                _add(file, staging, job.created_by)


def _add(file: dict[str, Any], staging: Path, user: "User | None") -> None:
    try:
        add_tokenizer(file["title"], [staging / file["name"]], SOURCE, user)
    except JobError:  # another interpreter's sample has the name
        add_tokenizer(f"{file['title']} {file['sha256'][:8]}", [staging / file["name"]], SOURCE, user)
