"""Wake-ups for the workers. A message carries no argument and may be lost: the keeper sends new ones."""

import logging
from typing import Any

import dramatiq
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from dramatiq.errors import BrokerConnectionError

logger = logging.getLogger(__name__)


def broker() -> Any:
    """Made when it is first needed: a command that works by itself does not wait for Redis's client to be imported."""
    return import_string(settings.BROKER)


def wake(queue: str, actor: str, count: int) -> None:
    """After the commit, enqueue by name, so that nobody has to import the actor."""
    transaction.on_commit(lambda: _enqueue(queue, actor, count))


def _enqueue(queue: str, actor: str, count: int) -> None:
    from redis.exceptions import RedisError

    try:
        for _ in range(count - _waiting(queue)):
            broker().enqueue(_message(queue, actor))
    except (BrokerConnectionError, RedisError) as error:
        logger.info("The workers were not woken (%s); the keeper tries again.", error)


def _message(queue: str, actor: str) -> "dramatiq.Message[Any]":
    return dramatiq.Message(queue_name=queue, actor_name=actor, args=(), kwargs={}, options={})


def _waiting(queue: str) -> int:
    """Messages nobody has taken. Not the broker's own size: that counts what dead workers took with them."""
    return int(broker().client.llen(f"{broker().namespace}:{queue}"))
