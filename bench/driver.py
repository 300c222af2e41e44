"""The bench's hand in the stack's database: people, work that keeps the cores busy, and a job whose commits are timed.

A process of its own with the stack's environment; it runs the product's own code, as a slot does.
"""

import asyncio
import math
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client

import bench.environment  # noqa: F401
from bench.peer import Message, serve
from datasets_app import cards, leases
from datasets_app.creating import create_dataset
from datasets_app.jobs import Stage, Status, from_now
from datasets_app.leases import Claim
from datasets_app.models import Dataset, Import
from datasets_app.slots import REPORT_SECONDS
from tests import factories, real
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenization, tokenize

PROSE_FILES, PROSE_ROWS = 4, 60_000
# What one core tokenizes of it at best; a job then takes at least PROSE_FILES seconds on two cores.
SHORTEST_JOB_SECONDS = 10.0
SHORTEST_LENGTH = 16
IMPORT_SECONDS = 60.0
HOLD = timedelta(hours=2)
WARM_UP_SECONDS = 1.0
SHARDS = 16
REPORTS_A_SECOND = 1 / REPORT_SECONDS
ROWS_A_REPORT, BYTES_A_REPORT, TOKENS_A_REPORT = 500, 500_000, 125_000


def people(count: int) -> Message:
    """So many users who are signed in, each with the Cookie header of a browser of theirs."""
    return {"cookies": [cookie_of(f"bench-{number}") for number in range(count)]}


def cookie_of(name: str) -> str:
    browser = Client()
    browser.force_login(get_user_model().objects.create_user(name))
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


def load(folder: str, seconds: float) -> Message:
    """Queue tokenizations that keep both cores busy for so long."""
    files = [prose(Path(folder), number) for number in range(PROSE_FILES)]
    dataset = create_dataset("prose", Dataset.Source.SERVER, files)
    tokenizer = real.added("slow", real.wordpiece(Path(folder) / "wordpiece.json"))
    dataset = imported(dataset)
    jobs = int(seconds / SHORTEST_JOB_SECONDS) + 2
    for length in range(SHORTEST_LENGTH, SHORTEST_LENGTH + jobs):
        tokenize(dataset, tokenizer, Spec(text_column="", splits=(), max_length=length), None)
    return {"jobs": jobs}


def prose(folder: Path, number: int) -> dict[str, Any]:
    path = real.parquet(folder / f"{number}.parquet", real.texts(PROSE_ROWS, seed=number), row_group_size=2000)
    return {"name": path.name, "path": str(path), "split": "train", "kind": "parquet", "bytes": path.stat().st_size}


def imported(dataset: Dataset) -> Dataset:
    deadline = time.monotonic() + IMPORT_SECONDS
    while not Import.objects.filter(dataset=dataset, status=Status.READY).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("The import did not end.")
        time.sleep(0.1)
    return Dataset.objects.get(pk=dataset.pk)


class Measured:
    """A dataset with one job that only this process works on."""

    def __init__(self) -> None:
        self.token = uuid.uuid4()
        dataset = factories.ready_dataset(real.unique("measured"), groups=SHARDS, rows=10**6, group_bytes=1 << 30)
        tokenizer = factories.tokenizer(real.unique("held"))
        held = {"hold_token": self.token, "held_until": from_now(HOLD)}
        self.job, _ = tokenize(dataset, tokenizer, Spec(text_column="", splits=()), None, **held)
        self.claims: list[Claim] = []
        self.reports = 0

    def claim(self, shards: int) -> None:
        held = (self.job, self.token)
        taken = [leases.claim(Tokenization, "bench", held) for _ in range(shards)]
        self.claims = [claim for claim in taken if claim]
        self.claims[0].job.reach(Stage.TOKENIZING)

    def report(self) -> float:
        """The next figures of the next shard. Returns the moment of the commit."""
        moments: list[float] = []
        round_, shard = divmod(self.reports, len(self.claims))
        self.reports += 1
        with transaction.atomic():
            transaction.on_commit(lambda: moments.append(time.monotonic()))  # first, so that it is before the hint
            self.claims[shard].report(**figures(round_ + 1))
        return moments[0]

    @property
    def version(self) -> int:
        return cards.load_job(self.job).version


def figures(reports: int) -> dict[str, float]:
    """What a shard has counted after so many reports."""
    rows, junk = reports * ROWS_A_REPORT, reports * ROWS_A_REPORT // 50
    counted = factories.counts(rows, junk, reports * BYTES_A_REPORT, reports * TOKENS_A_REPORT)
    rates = {"bytes_per_second": BYTES_A_REPORT / REPORT_SECONDS, "tokens_per_second": TOKENS_A_REPORT / REPORT_SECONDS}
    return {**counted, **rates}


class GroupHints:
    """Hints for the stock pattern, which has a group a dataset, by the same means as the product's own."""

    def __init__(self, dataset_id: uuid.UUID) -> None:
        self._group = f"dataset_{dataset_id}"
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def send(self) -> None:
        asyncio.run_coroutine_threadsafe(get_channel_layer().group_send(self._group, {"type": "changed"}), self._loop)


measured: Measured


def measure() -> Message:
    """Make the job that is measured; it does not run yet."""
    global measured
    measured = Measured()
    return {"dataset": str(measured.job.dataset_id), "job": str(measured.job.pk)}


def drive(rate: float, seconds: float, stock: bool) -> Message:
    """Run the job for so long, with so many commits a second: the version from each on, and its moment."""
    hints = GroupHints(measured.job.dataset_id) if stock else None
    measured.claim(math.ceil(rate / REPORTS_A_SECOND))
    time.sleep(WARM_UP_SECONDS)
    commits = []
    began = time.monotonic()
    for number in range(round(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        moment = measured.report()
        if hints:
            hints.send()
        commits.append((measured.version, moment))
    return {"commits": commits}


def version() -> Message:
    return {"version": measured.version}


if __name__ == "__main__":
    serve({"people": people, "load": load, "measure": measure, "drive": drive, "version": version})
