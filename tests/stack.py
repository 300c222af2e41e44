"""The real thing: `manage.py up` with its own state, its own database, its own processes."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil
from django.conf import settings

START_SECONDS = 60.0
STOP_SECONDS = 15.0
ROOT = Path(settings.BASE_DIR)
LINK = re.compile(r"Sign in\s+(http://\S+)")


def wait_for(look: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """Look until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what or look}"
        time.sleep(0.05)
    return found


class Stack:
    def __init__(self, var: Path, env: dict[str, str]) -> None:
        self.var = var
        self.env = {**os.environ, **env, "TOKENYARD_VAR": str(var), "TOKENYARD_LOG_LEVEL": "INFO"}
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        # What tests keep to look things up with.
        self.client: Client | None = None
        self.dataset_ids: dict[str, str] = {}

    def start(self) -> "Stack":
        """On the same port as before, if there was one, so that open tabs find it again."""
        self.output = self.var / f"up-{secrets.token_hex(3)}.txt"
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=file, stderr=file)
        link = wait_for(self._link, START_SECONDS, "the sign-in link")
        self.link = link
        self.url = link.split("/", 3)[0] + "//" + urlsplit(link).netloc
        self.port = urlsplit(link).port or 0
        wait_for(self.is_healthy, START_SECONDS, "the web server")
        return self

    def _link(self) -> str | None:
        assert self.process
        text = self.output.read_text()
        assert self.process.poll() is None, text
        found = LINK.search(text)
        return found.group(1) if found else None

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        assert self.process
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)
        self.process = None
        wait_for(lambda: not any(is_alive(process) for process in family), STOP_SECONDS, "an end of all processes")

    def family(self) -> list[psutil.Process]:
        assert self.process
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *words: str) -> psutil.Process:
        """The process whose command line has all of these words."""
        return wait_for(lambda: self._part(words), 30, f"a process {words}")

    def _part(self, words: tuple[str, ...]) -> psutil.Process | None:
        for process in self.family():
            try:
                line = process.cmdline()
            except psutil.Error:
                continue
            if all(word in line for word in words):
                return process
        return None

    def manage(self, *arguments: str, fails: bool = False) -> Any:
        """A command with --json, as a script would call it."""
        done = self.command(*arguments, "--json")
        assert (done.returncode != 0) == fails, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def command(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=300, **options
        )

    def command_in_background(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.var / "background.txt").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )

    def add_user(self, name: str) -> None:
        """Somebody of the team, as the admin would add them."""
        made = f"from django.contrib.auth.models import User; User.objects.create_user({name!r})"
        done = self.command("shell", "--verbosity", "0", "--command", made)
        assert done.returncode == 0, done.stderr

    def flush_redis(self) -> None:
        import redis

        with redis.Redis.from_url(self.env.get("REDIS_URL") or f"unix://{self.var}/redis.sock") as server:
            server.flushdb()

    def sign_in(self, user: str | None = None) -> "Client":
        link = self.manage("signin_link", user or "admin", "--url", self.url)["link"]
        return Client(self.url, link)


class Client:
    """A signed-in browser without a screen."""

    def __init__(self, url: str, link: str) -> None:
        self.url = url
        self.jar = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        with self.opener.open(link, timeout=10) as answer:
            answer.read()

    def get(self, path: str) -> str:
        with self.opener.open(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def progress(self, dataset_id: str) -> list[dict[str, Any]]:
        answer = json.loads(self.get(f"/datasets/{dataset_id}/progress.json"))
        return list(answer["jobs"] if isinstance(answer, dict) else answer)

    def deed(self, job_id: str, name: str) -> int:
        return self.post(f"/jobs/{job_id}/{name}/")

    def post(self, path: str) -> int:
        return int(self._send(path, {}, {"HX-Request": "true"}).status)

    def submit(self, path: str, **fields: Any) -> str:
        """Send a form, as a browser without scripts would; where that led to."""
        return str(self._send(path, fields, {}).url)

    def _send(self, path: str, fields: dict[str, Any], headers: dict[str, str]) -> Any:
        token = next(cookie.value for cookie in self.jar if "csrf" in cookie.name) or ""
        headers = {"X-CSRFToken": token, "Referer": self.url, **headers}
        request = urllib.request.Request(self.url + path, urlencode(fields, doseq=True).encode(), headers)
        with self.opener.open(request, timeout=10) as answer:
            return answer

    @property
    def cookies(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def own_database() -> Iterator[dict[str, str]]:
    """With PostgreSQL a database of its own, dropped at the end; with SQLite the one in its folder."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        yield {}
        return
    import psycopg

    name = f"yard_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_stack(**env: str) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="yard-") as folder, own_database() as database:
        stack = Stack(Path(folder), {"TOKENYARD_SLOTS": "2", **database, **env})
        stack.start()
        try:
            yield stack
        finally:
            if stack.process:
                stack.stop()
