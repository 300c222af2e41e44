from argparse import ArgumentParser
from typing import Any

from datasets_app.hub_tokens import HubToken
from datasets_app.management.tokens import token_facts
from datasets_app.management.yard import YardCommand


class Command(YardCommand):
    help = "Delete a Hub token for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        token = HubToken.objects.find(options["id"], None)
        facts = token_facts(token)
        token.delete()
        return {**facts, "status": "deleted"}, True
