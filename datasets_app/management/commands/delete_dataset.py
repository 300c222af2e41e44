from argparse import ArgumentParser
from typing import Any

from datasets_app import keeper
from datasets_app.management.describe import dataset_facts
from datasets_app.management.yard import YardCommand
from datasets_app.models import Dataset


class Command(YardCommand):
    help = "Delete a dataset with its tokenizations and all their files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", help="name or id")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        dataset = Dataset.objects.named(options["name"])
        facts = dataset_facts(dataset)
        dataset.mark_for_deletion(None)
        keeper.delete_datasets()
        return {**facts, "status": "deleted"}, True
