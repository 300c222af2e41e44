"""What all our commands share: --json, one line for an error, a new embedded database that migrates itself."""

import fcntl
import json
import logging
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.db import OperationalError, connection

from datasets_app.errors import JobError
from datasets_app.models import Dataset

# As argparse and the shell have it.
MISUSED = 2
INTERRUPTED = 130


class YardCommand(BaseCommand):
    """Subclasses answer from `work` with the object to show and whether all went well."""

    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        if parser.called_from_command_line:
            parser.error = partial(refuse, parser)  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger().setLevel(logging.WARNING)
        try:
            migrate_new_database()
            with terminable():
                answer, is_success = self.work(options)
        except JobError as error:
            raise CommandError(f"{error} {error.advice}".strip()) from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
            sys.exit(INTERRUPTED)
        except OperationalError as error:
            raise CommandError(f"The database cannot be reached: {str(error).strip().splitlines()[0]}") from error
        if options["json"]:
            self.stdout.write(json.dumps(answer, cls=DjangoJSONEncoder))
        else:
            for line in self.lines(answer):
                self.stdout.write(line)
        if not is_success:
            sys.exit(1)

    def work(self, options: dict[str, Any]) -> tuple[Any, bool]:
        raise NotImplementedError

    def lines(self, answer: Any) -> Iterator[str]:
        """The answer for people."""
        for item in answer if isinstance(answer, list) else [answer]:
            yield "  ".join(f"{key} {value}" for key, value in item.items() if not isinstance(value, dict | list))


def refuse(parser: ArgumentParser, fault: str) -> NoReturn:
    """In place of argparse's own way, which prints every option first."""
    parser.exit(MISUSED, f"{fault[0].upper()}{fault[1:].rstrip('.')}. See {parser.prog} --help.\n")


def migrate_new_database() -> None:
    if connection.vendor != "sqlite":
        return
    with (settings.VAR / "migrate.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if Dataset._meta.db_table not in connection.introspection.table_names():
            call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def terminable() -> Iterator[None]:
    """A SIGTERM is handled like Ctrl-C without a terminal."""

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
