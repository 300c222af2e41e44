import uuid
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from datasets_app.children import ChildDied
from datasets_app.downloading import DownloadWork, download_dataset
from datasets_app.downloads import MOST_ROWS, Download
from datasets_app.errors import JobError
from datasets_app.hub_forms import free_name
from datasets_app.hub_tokens import HubToken
from datasets_app.importing import ImportWork
from datasets_app.ingest.hub.addresses import parse_repository, parse_revision
from datasets_app.jobs import HOLD, Job, Status, from_now
from datasets_app.looking_up import ask_hub
from datasets_app.lookups import LookUp
from datasets_app.management import reading
from datasets_app.management.describe import dataset_facts
from datasets_app.management.running import run_here
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset, Import
from datasets_app.slots import Work


class Command(YardCommand):
    help = "Download a dataset of the Hugging Face Hub and import it, here and now; no server is needed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("repository", metavar="OWNER/NAME")
        parser.add_argument("--config", default=None, metavar="C", help="the configuration; by default the default one")
        parser.add_argument("--split", nargs="+", default=[], metavar="S", help="by default all of them")
        parser.add_argument("--revision", default="main", metavar="R", help="a branch, a tag or a commit")
        parser.add_argument("--rows", type=int, default=None, metavar="N", help="keep the first N rows of each split")
        parser.add_argument("--token-id", default=None, metavar="ID", help="of a token as list_tokens shows it")
        parser.add_argument("--name", default="", help="of the dataset; by default that of the repository")
        reading.add_arguments(parser)
        parser.add_argument("--detach", action="store_true", help="leave it to the running workers")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        if options["rows"] is not None and not 1 <= options["rows"] <= MOST_ROWS:
            raise JobError(f"--rows is not between 1 and {MOST_ROWS:,}.", "Leave it out for all rows.")
        token = HubToken.objects.find(options["token_id"], None) if options["token_id"] else None
        listing = looked_up(options, token)
        held = uuid.uuid4()
        dataset, _ = download_dataset(
            listing,
            options["name"] or free_name(listing["name"]),
            options["split"] or [split["name"] for split in listing["splits"]],
            settings.HUB_ENDPOINT,
            created_by=token.owner if token else None,
            token=token,
            text_column=options["text_column"],
            rows=options["rows"],
            options=reading.chosen(options),
            hold={} if options["detach"] else {"hold_token": held, "held_until": from_now(HOLD)},
        )
        if not options["detach"]:
            do_here(dataset, held)
        facts = dataset_facts(Dataset.objects.get(pk=dataset.pk))
        if facts["failure"]:
            self.stderr.write(facts["failure"])
        return facts, options["detach"] or facts["status"] == Status.READY


def looked_up(options: dict[str, Any], token: HubToken | None) -> dict[str, Any]:
    repository, revision = parse_repository(options["repository"]).name, parse_revision(options["revision"])
    secret = token.reveal() if token else None
    try:
        answer = ask_hub(LookUp.Of.DATASET, repository, revision, options["config"], secret, is_previewed=False)
    except ChildDied as death:
        raise JobError(f"Asking the Hub {death}.", "Try again.") from death
    return dict(answer["listing"])


def do_here(dataset: Dataset, held: uuid.UUID) -> None:
    """What is left of it: the download, then the import. JobError if another process is at it."""
    steps: list[tuple[type[Job], Work]] = [(Download, DownloadWork()), (Import, ImportWork())]
    for model, work in steps:
        job = model._default_manager.filter(**{"dataset": dataset}).first()
        if job is None or not job.is_unfinished:
            continue
        if job.status == Status.PAUSED:
            raise JobError(f"{job} is paused.", "Resume it on its page, or cancel it.")
        if token := held if job.hold_token == held else job.hold():
            run_here(job, work, token)
        elif model._default_manager.unfinished().filter(pk=job.pk).exists():
            raise JobError(f"{job} is being done by another process.", "Wait for it, or cancel it.")
