import os
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from datasets_app import keeper
from datasets_app.creating import create_dataset
from datasets_app.errors import JobError
from datasets_app.importing import ImportWork
from datasets_app.ingest.kinds import kind_of
from datasets_app.jobs import HOLD, Status, from_now
from datasets_app.management import reading
from datasets_app.management.describe import dataset_facts
from datasets_app.management.running import run_here
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset

DEFAULT_SPLIT = "train"


class Command(YardCommand):
    help = "Import local files as one dataset, here and now; no server is needed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("files", nargs="+", metavar="FILE[:SPLIT]")
        reading.add_arguments(parser)
        parser.add_argument("--detach", action="store_true", help="leave it to the running workers")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        files = [described(argument) for argument in options["files"]]
        token = uuid.uuid4()
        hold = {} if options["detach"] else {"hold_token": token, "held_until": from_now(HOLD)}
        dataset = create_dataset(
            options["name"],
            Dataset.Source.SERVER,
            files,
            text_column=options["text_column"],
            options=reading.chosen(options),
            hold=hold,
        )
        if options["detach"]:
            return dataset_facts(dataset), True
        try:
            run_here(dataset.import_job, ImportWork(), token)
        except KeyboardInterrupt:
            forget(dataset)
            raise
        return self.outcome(dataset)

    def outcome(self, dataset: Dataset) -> tuple[Any, bool]:
        """A command that failed leaves nothing behind, so that the same one can be given again."""
        dataset.refresh_from_db()
        job = dataset.import_job
        job.refresh_from_db()
        if job.status != Status.READY:
            forget(dataset)
            raise JobError(job.failure or f"The import was {job.status}.", job.advice)
        return dataset_facts(dataset), True


def forget(dataset: Dataset) -> None:
    dataset.mark_for_deletion(None)
    keeper.delete_datasets()


def described(argument: str) -> dict[str, Any]:
    """FILE or FILE:SPLIT. JobError if there is no such file, or the split's name cannot be one."""
    path, split = Path(argument), DEFAULT_SPLIT
    if not path.exists() and ":" in argument:
        name, _, split = argument.rpartition(":")
        path = Path(name)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise JobError(f"{path} is not a file that can be read.", "Give the path of a data file.")
    path = path.resolve()
    kind = kind_of(path.name)
    return {"name": path.name, "path": str(path), "split": split, "kind": kind, "bytes": path.stat().st_size}
