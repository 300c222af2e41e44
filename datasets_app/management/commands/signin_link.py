import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError

from datasets_app.signin import make_link


class Command(BaseCommand):
    help = "Print a link that signs USER in once, without a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where Tokenyard is reached")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, user: str, url: str, **options: Any) -> None:
        account = get_user_model()._default_manager.filter(username=user).first()
        if account is None:
            raise CommandError(f"There is no user {user}: add one in the admin first.")
        if not account.is_active:
            raise CommandError(f"{user} is not active: change that in the admin first.")
        self.stdout.write(answer(user, make_link(account, url), options["json"]))


def answer(user: str, link: str, as_json: bool) -> str:
    return json.dumps({"user": user, "link": link}) if as_json else link
