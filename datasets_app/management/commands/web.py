import tempfile
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.utils.module_loading import import_string

from datasets_app.management import lifetime


class Command(BaseCommand):
    help = "Serve pages and sockets, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="an address of this machine, or 0.0.0.0 for all")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        tempfile.tempdir = str(settings.SCRATCH_ROOT)  # request bodies: /tmp may be memory
        application = import_string(settings.ASGI_APPLICATION)
        from datasets_app.management.server import Server

        lifetime.follow_parent()
        server = Server.at(host, port, application)
        server.run()
        if not server.has_listened:
            raise CommandError(f"Port {port} of {host} is taken: choose another one with --port {port + 1}.")
