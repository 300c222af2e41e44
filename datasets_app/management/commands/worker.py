import logging
import time
from argparse import ArgumentParser
from typing import Any

import dramatiq
from django.conf import settings
from django.core.management import BaseCommand
from django.utils.module_loading import autodiscover_modules
from dramatiq.errors import BrokerConnectionError

from datasets_app import lookups, wakeups
from datasets_app.management import lifetime
from datasets_app.presence import Presence

SLOTS = {"tokenize": settings.SLOTS, "import": settings.IMPORT_SLOTS}
# Somebody waits in front of the page for an answer of the Hub, or for a tokenizer: both have threads of their own.
BESIDE = {"import": {lookups.QUEUE: 2, lookups.FETCH_QUEUE: 2}}
PICK_UP_MS = 150
STOP_MS = 5000
OUTAGE_SECONDS = 60.0


class Command(BaseCommand):
    requires_system_checks = ()  # they load every page; web and migrate make them
    help = "Work one queue off, with so many slots, until told to stop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queue", choices=sorted(SLOTS), default="tokenize")
        parser.add_argument("--slots", type=int, help="how many shards at once (default: from the settings)")

    def handle(self, *args: Any, queue: str, slots: int | None, **options: Any) -> None:
        stop = lifetime.Stop()
        lifetime.follow_parent()
        say_outages_once()
        slots = max(1, slots or SLOTS[queue])
        presence = Presence(queue, slots)
        workers = [worker_for(each, count) for each, count in ((queue, slots), *BESIDE.get(queue, {}).items())]
        for worker in workers:
            worker.start()
        presence.start()
        stop.wait()
        for worker in workers:
            worker.stop(timeout=STOP_MS)
        presence.stop()


def worker_for(queue: str, slots: int) -> dramatiq.Worker:
    """In this process: Dramatiq's own master would be one more process that can die alone."""
    broker = wakeups.broker()  # first, for the actors to be declared with
    autodiscover_modules("actors")
    worker = dramatiq.Worker(broker, queues={queue}, worker_threads=slots, worker_timeout=PICK_UP_MS)
    worker.queue_prefetch = slots  # a wake-up that waits here is one that no other worker can take
    return worker


def say_outages_once() -> None:
    quiet = OncePerOutage()
    for handler in logging.getLogger().handlers:
        handler.addFilter(quiet)


class OncePerOutage(logging.Filter):
    """While Redis is away, Dramatiq says so for every consumer every three seconds, as if all were lost."""

    def __init__(self) -> None:
        super().__init__()
        self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        error = next((each for each in record.args or () if isinstance(each, BrokerConnectionError)), None)
        if error is None:
            return True
        is_first = time.monotonic() - self._last > OUTAGE_SECONDS
        self._last = time.monotonic()
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "Redis cannot be reached, trying again: %s", (error,)
        return is_first
