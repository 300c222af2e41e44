"""Seeing a job through from a terminal: following the workers, or doing the work here."""

import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from tqdm import tqdm

from datasets_app import cards, leases
from datasets_app.children import end_early
from datasets_app.errors import JobError
from datasets_app.jobs import ENDED, UNFINISHED, Job, Status
from datasets_app.models import Worker
from datasets_app.slots import Slot, Work

POLL_SECONDS = 0.25
EXPIRE_SECONDS = 5.0


def follow(job: Job, wait_seconds: float | None) -> None:
    """Show a bar until the job ends. JobError when `wait_seconds` pass first; the job goes on."""
    deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
    with interruptible(job), bar_of(job) as bar:
        has_warned = False
        while not show(bar, job):
            if not has_warned and job.status == Status.QUEUED and not Worker.objects.slots(job.queue):
                bar.write(
                    "No worker is running: start one with `manage.py worker`, or all with `make run`.", sys.stderr
                )
                has_warned = True
            if deadline and time.monotonic() > deadline:
                raise JobError(
                    f"{job} has not ended in {wait_seconds:g} s.",
                    f"It is {job.status} and goes on by itself; its id is {job.pk}.",
                )
            time.sleep(POLL_SECONDS)


def run_here(job: Job, work: Work, token: uuid.UUID) -> None:
    """Do the whole job in this process and its children, which `token` reserves it for."""
    threads = [threading.Thread(target=_drain, args=(job, work, token), daemon=True) for _ in range(settings.SLOTS)]
    with interruptible(job, token), bar_of(job) as bar:
        for thread in threads:
            thread.start()
        next_expiry = time.monotonic()
        while not show(bar, job):
            if time.monotonic() >= next_expiry:  # of workers that shared in this job and died
                job.keep_hold(token)
                leases.expire(type(job))
                next_expiry = time.monotonic() + EXPIRE_SECONDS
            _rest(threads)
    for thread in threads:
        thread.join()
    end_early()


def _rest(threads: list[threading.Thread]) -> None:
    """A moment, or less if a thread ends within it: that is how a job ends, too."""
    for thread in threads:
        if thread.is_alive():
            thread.join(POLL_SECONDS / 2)
            return
    time.sleep(POLL_SECONDS / 2)


def _drain(job: Job, work: Work, token: uuid.UUID) -> None:
    slot = Slot(work)
    try:
        while type(job).objects.filter(pk=job.pk, hold_token=token, status__in=UNFINISHED).exists():
            if not slot.work_once((job, token)):
                time.sleep(POLL_SECONDS / 3)
    finally:
        slot.close()
        connection.close()


def show(bar: Any, job: Job) -> bool:
    """Draw the job as it is now. True once it has ended."""
    try:
        job.refresh_from_db()
        if bar.disable:
            return job.status in ENDED
        progress = cards.load_job(job)
    except ObjectDoesNotExist:
        raise JobError(f"{job} was deleted.") from None
    bar.n = round(progress.percent, 1)
    bar.set_description_str(f"{job}: {job.stage if job.status == Status.RUNNING else job.status}")
    rate = progress.tokens_per_second
    bar.set_postfix_str(f"{progress.job.total_processed:,} rows" + (f", {rate:,.0f} tokens/s encoded" if rate else ""))
    bar.refresh()
    return job.status in ENDED


@contextmanager
def bar_of(job: Job) -> Iterator[Any]:
    form = "{desc} {percentage:5.1f}% |{bar}| {postfix} {elapsed}"
    with tqdm(total=100.0, file=sys.stderr, bar_format=form, disable=not sys.stderr.isatty(), leave=True) as bar:
        yield bar


@contextmanager
def interruptible(job: Job, token: uuid.UUID | None = None) -> Iterator[None]:
    """Ctrl-C asks whether to cancel or to leave the job to the workers; without a terminal it cancels."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.stdin.isatty() and _wants_to_detach():
            type(job).objects.filter(pk=job.pk, hold_token=token).update(hold_token=None, held_until=None)
            job.wake()
            raise JobError(f"{job} is left to the workers.", f"Its id is {job.pk}.") from None
        job.cancel(None)
        raise


def _wants_to_detach() -> bool:
    sys.stderr.write("\nCancel the job, or detach and leave it to the workers? [c/d] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower().startswith("d")
