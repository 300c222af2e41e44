from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model

from datasets_app.errors import JobError
from datasets_app.management.yard import YardCommand
from datasets_app.signin import make_link


class Command(YardCommand):
    help = "Print a link that signs USER in once, without a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where Tokenyard is reached")

    def work(self, options: dict[str, Any]) -> tuple[dict[str, str], bool]:
        user = get_user_model()._default_manager.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise JobError(
                f"There is no active user {options['user']}.", "Add or activate the user in the admin first."
            )
        return {"user": user.get_username(), "link": make_link(user, options["url"])}, True

    def lines(self, answer: Any) -> Iterator[str]:
        yield answer["link"]
