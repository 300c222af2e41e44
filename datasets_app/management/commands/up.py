import asyncio
import fcntl
import os
import socket
import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connections

from datasets_app.management import redis_server
from datasets_app.management.supervisor import Service, Supervisor
from datasets_app.models import Dataset
from datasets_app.signin import make_link

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
FAMILY_SECONDS = 10.0
FAMILY_POLL_SECONDS = 0.1


class Command(BaseCommand):
    help = "Start Tokenyard here: the web server, the workers, the keeper and, unless REDIS_URL is set, a Redis server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", default="8000", help="of the web server; 0 takes a free one")
        parser.add_argument(
            "--follow-parent", action="store_true", help="end when the process that started this one ends"
        )

    def handle(self, *args: Any, port: str, follow_parent: bool, **options: Any) -> None:
        parent = os.getppid() if follow_parent else None
        with taken_lock(settings.VAR / "up.lock", str(os.getpid())), family_lock() as family:
            number = port_number(port) or free_port()
            check_ports(number)
            self.say("Starting Tokenyard…")
            migrate()
            banner = banner_for(f"http://{HOST}:{number}")
            connections.close_all()
            supervisor = Supervisor(settings.VAR / "log", self.say, inherit=[family.fileno()], parent=parent)
            asyncio.run(supervisor.run(base(), services(number), started=lambda: self.say(banner)))
        self.say("Tokenyard has stopped.")

    def say(self, line: str) -> None:
        with suppress(OSError):  # the terminal may be gone
            self.stdout.write(line)
            self.stdout.flush()


def migrate() -> None:
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        raise CommandError(f"The database cannot be used: {str(error).strip().splitlines()[0]}") from error


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise CommandError(f"{text} is no port: choose a number up to {HIGHEST_PORT}.")
    return int(text)


def taken_lock(path: Path, mark: str) -> IO[str]:
    """Held until the file is closed or this process ends."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        raise CommandError(f"Tokenyard already runs on {settings.VAR} (process {holder}).") from None
    file.truncate(0)
    file.write(mark)
    file.flush()
    return file


def family_lock() -> IO[str]:
    """A lock that our children inherit: after a kill -9 of `up` it is free once the last of them has ended."""
    file = (settings.VAR / "family.lock").open("a")
    deadline = time.monotonic() + FAMILY_SECONDS
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        time.sleep(FAMILY_POLL_SECONDS)
    raise CommandError(f"Processes of an earlier start still run on {settings.VAR}: end them first.")


def check_ports(port: int) -> None:
    if is_taken(port):
        raise CommandError(f"Port {port} is taken by another program: choose another one with --port {port + 1}.")
    if not settings.EMBEDDED_REDIS:
        return
    if redis_server.binary() is None:
        raise CommandError("No Redis-protocol server runs here: install valkey or redis, or set REDIS_URL.")
    redis_port = urlsplit(settings.REDIS_URL).port
    if redis_port and is_taken(redis_port):
        raise CommandError(f"Port {redis_port} is taken: delete {settings.VAR / 'redis.port'} and start again.")


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise CommandError(f"Port {port} is not allowed for this user: choose one above 1023.") from error
        except OSError:
            return True
    return listens(port)  # macOS lets us bind beside a server on every address


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def base() -> list[Service]:
    if not settings.EMBEDDED_REDIS:
        return []
    url = settings.REDIS_URL
    command = [sys.executable, "-m", redis_server.__name__, url, str(settings.VAR / "redis")]
    return [Service("redis", command, lambda: redis_server.answers(url))]


def services(port: int) -> list[Service]:
    return [
        Service("web", manage("web", "--host", HOST, "--port", str(port)), lambda: listens(port)),
        Service("worker-tokenize", manage("worker", "--queue", "tokenize")),
        Service("worker-import", manage("worker", "--queue", "import")),
        Service("keeper", manage("keeper")),
    ]


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def banner_for(url: str) -> str:
    administrator = first_administrator()
    lines = [
        "",
        f"  Tokenyard    {url}/",
        f"  Sign in      {make_link(administrator, url)}",
        f"               (good once, as {administrator.get_username()})",
        f"  Its state    {settings.VAR}",
    ]
    if not Dataset.objects.exists():
        lines.append('  No data yet? "Add the sample dataset" on the first page needs no file and no network.')
    return "\n".join([*lines, "  To stop      Ctrl-C", ""])


def first_administrator() -> User:
    """Made on the first start, without a password: the link is the way in."""
    users = get_user_model()._default_manager
    found = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    return found or users.create_superuser(unused_name("admin"), password=None)


def unused_name(name: str) -> str:
    taken = set(get_user_model()._default_manager.values_list("username", flat=True))
    names = [name, *(f"{name}{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)
