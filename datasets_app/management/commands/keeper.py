import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from datasets_app import keeper
from datasets_app.management import lifetime

SWEEP_SECONDS = 60.0
logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = ()  # they load every page; web and migrate make them
    help = "Do now and then what nobody else will: wake workers, free silent shards, finish deletions."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = lifetime.Stop()
        lifetime.follow_parent()
        sweep_at = 0.0
        while not stop.wait(settings.KEEPER_SECONDS):
            quietly(keeper.tick)
            if time.monotonic() >= sweep_at:
                quietly(keeper.sweep)
                sweep_at = time.monotonic() + SWEEP_SECONDS


def quietly(round_of: Callable[[], None]) -> None:
    """A bug ends the process, which shows; a database or a Redis that is away does not."""
    close_old_connections()
    try:
        round_of()
    except (DatabaseError, BrokerConnectionError, RedisError, OSError) as error:
        logger.warning("This round was cut short: %s", error)
    finally:
        close_old_connections()
