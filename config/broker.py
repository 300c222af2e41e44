"""The Dramatiq broker. Messages are wake-ups without arguments: losing them all costs seconds, never a job."""

from typing import Any

import dramatiq
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, ShutdownNotifications


class DatabaseConnections(Middleware):
    """A worker thread gives its connection back after each message."""

    def after_process_message(self, *args: Any, **kwargs: Any) -> None:
        close_old_connections()


broker = RedisBroker(  # type: ignore[no-untyped-call]
    url=settings.REDIS_URL,
    namespace="tokenyard",
    middleware=[ShutdownNotifications(notify_shutdown=True), DatabaseConnections()],
)
dramatiq.set_broker(broker)
