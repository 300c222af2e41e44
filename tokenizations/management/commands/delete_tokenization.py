from argparse import ArgumentParser
from typing import Any

from datasets_app import jobs, keeper
from datasets_app.errors import JobError
from datasets_app.management.yard import YardCommand
from tokenizations.management.describe import tokenization_facts
from tokenizations.models import Tokenization


class Command(YardCommand):
    help = "Delete a tokenization with its files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        job = jobs.find(options["id"])
        if not isinstance(job, Tokenization):
            raise JobError(f"{options['id']} is an import.", "Delete the dataset with delete_dataset.")
        facts = tokenization_facts(job)
        job.mark_for_deletion(None)
        keeper.finish_deletions(Tokenization)
        return {**facts, "status": "deleted"}, True
