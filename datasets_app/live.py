"""Bottom of the live path: the group, the envelope, the hints. A hint is lost without harm; the beat finds out."""

import asyncio
import atexit
import logging
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

GROUP = "live"
# At the end of a process, for what was said last.
LAST_WORDS_SECONDS = 1.0


class _Sender:
    """One event loop and one connection a process: `async_to_sync` would open a connection for every hint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_down = False

    def send(self, envelope: dict[str, Any]) -> None:
        if settings.EMBEDDED_REDIS and not is_there(settings.REDIS_URL):
            return
        asyncio.run_coroutine_threadsafe(self._send(envelope), self._running_loop())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="live-hints", daemon=True)
                thread.start()
                atexit.register(self._end, self._loop, thread)
            return self._loop

    def _end(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        """A thread that is still running when the interpreter ends may be torn down inside C++, which aborts it all."""
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_all_said(), loop).result(2 * LAST_WORDS_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LAST_WORDS_SECONDS)

    async def _send(self, envelope: dict[str, Any]) -> None:
        from redis.exceptions import RedisError

        layer = get_channel_layer()
        try:
            await layer.group_send(GROUP, envelope)
            self._is_down = False
        except (RedisError, OSError) as error:
            if not self._is_down:
                logger.info("No live hints for now: %s", error)
            self._is_down = True


def is_there(url: str) -> bool:
    """Whether a server may be listening. A command without one need not wait for Redis's client to be imported."""
    socket = url.removeprefix("unix://")
    return socket == url or Path(socket).exists()


async def _all_said() -> None:
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=LAST_WORDS_SECONDS)


_sender = _Sender()


def hint(dataset_id: uuid.UUID) -> None:
    """After the commit, tell every web process that this dataset or one of its jobs changed."""
    envelope = {"type": "changed", "dataset": str(dataset_id)}
    transaction.on_commit(lambda: _sender.send(envelope))
