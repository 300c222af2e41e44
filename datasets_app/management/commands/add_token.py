import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.views.decorators.debug import sensitive_variables

from datasets_app.hub_tokens import HubToken
from datasets_app.management.tokens import active_user, token_facts
from datasets_app.management.yard import YardCommand


class Command(YardCommand):
    help = "Keep a Hub token, encrypted. It is asked for, or read from standard input; never give it as an argument."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("--user", default="", help="whose it is; by default the only user there is")
        parser.add_argument("--once", action="store_true", help="for one download: deleted when that has ended")

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        user = active_user(options["user"])
        return token_facts(HubToken.store(user, options["name"], asked(), kept=not options["once"])), True


@sensitive_variables()
def asked() -> str:
    return (getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
