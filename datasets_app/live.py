"""Bottom of the live path: the group, the envelope, the hints. A hint is lost without harm; the beat finds out."""

import asyncio
import logging
import threading
import uuid
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

GROUP = "live"


class _Sender:
    """One event loop and one connection a process: `async_to_sync` would open a connection for every hint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_down = False

    def send(self, envelope: dict[str, Any]) -> None:
        asyncio.run_coroutine_threadsafe(self._send(envelope), self._running_loop())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="live-hints", daemon=True).start()
            return self._loop

    async def _send(self, envelope: dict[str, Any]) -> None:
        layer = get_channel_layer()
        try:
            await layer.group_send(GROUP, envelope)
            self._is_down = False
        except (RedisError, OSError) as error:
            if not self._is_down:
                logger.info("No live hints for now: %s", error)
            self._is_down = True


_sender = _Sender()


def hint(dataset_id: uuid.UUID) -> None:
    """After the commit, tell every web process that this dataset or one of its jobs changed."""
    envelope = {"type": "changed", "dataset": str(dataset_id)}
    transaction.on_commit(lambda: _sender.send(envelope))
