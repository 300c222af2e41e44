import resource
import tempfile
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management import BaseCommand, CommandError

from datasets_app import bodies
from datasets_app.management import lifetime


class Command(BaseCommand):
    help = "Serve pages and sockets, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="an address of this machine, or 0.0.0.0 for all")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        lifetime.follow_parent()
        allow_many_sockets()
        tempfile.tempdir = str(settings.SCRATCH_ROOT)  # request bodies: /tmp may be memory
        from datasets_app.management.server import Server  # starts Twisted, which no other command needs

        server = Server.at(host, port, get_default_application(), gate=bodies)
        server.run()
        if not server.ports:
            raise CommandError(f"Port {port} of {host} is taken: choose another one with --port {port + 1}.")


def allow_many_sockets() -> None:
    """A usual shell lets a process open 1,024 files, and every open page is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name a limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
