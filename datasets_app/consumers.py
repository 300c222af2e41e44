import json
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User

from datasets_app import jobs
from datasets_app.access import VIEW, Viewer, can
from datasets_app.errors import JobError
from datasets_app.fanout import Socket, fan_out
from datasets_app.models import Dataset

NOT_SIGNED_IN = 4401
FOREIGN_PAGE = 4403
# The client reconnects after this code.
TRY_AGAIN = 1013
ELEMENTS_SHOWN_AT_MOST = 100
LARGEST_ACKNOWLEDGEMENT = 64
ACKNOWLEDGEMENTS_A_SECOND = 5


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Checks who is there and what it may see, then leaves everything to the fan-out."""

    # No channel of its own: the fan-out is the one receiver, and a Redis that is away refuses nobody.
    channel_layer_alias = None
    socket: Socket | None = None
    heard_at = 0.0

    async def connect(self) -> None:
        user = self.scope["user"]
        if not is_own_page(self.scope) or not can(user, VIEW):
            await self.accept()
            await self.close(FOREIGN_PAGE if can(user, VIEW) else NOT_SIGNED_IN)
            return
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        shows = await database_sync_to_async(shown_elements)(user, query.get("card", []), query.get("job", []))
        await self.accept()
        self.socket = Socket(self, Viewer.of(user), shows, self.scope["session"].session_key or "")
        await fan_out().join(self.socket)

    async def disconnect(self, code: int) -> None:
        if self.socket:
            fan_out().leave(self.socket)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The only frame a client sends is an acknowledgement, and seldom."""
        now = time.monotonic()
        seen = acknowledgement(text_data)
        if self.socket is None or seen is None or now - self.heard_at < 1 / ACKNOWLEDGEMENTS_A_SECOND:
            return
        self.heard_at = now
        await self.socket.acknowledge(seen)

    async def send_text(self, text: str) -> None:
        await self.send(text_data=text)

    async def drop(self) -> None:
        await self.close(TRY_AGAIN)

    async def expel(self) -> None:
        await self.close(NOT_SIGNED_IN)


def acknowledgement(text: str | None) -> int | None:
    if not text or len(text) > LARGEST_ACKNOWLEDGEMENT:
        return None
    try:
        seen = json.loads(text)["seen"]
    except (ValueError, KeyError, TypeError):
        return None
    return seen if isinstance(seen, int) else None


def is_own_page(scope: dict[str, Any]) -> bool:
    """The page has to come from this very host and port, not just from an allowed host."""
    headers = dict(scope["headers"])
    origin = urlsplit(headers.get(b"origin", b"").decode("latin-1"))
    host: str = headers.get(b"host", b"").decode("latin-1")
    return bool(host) and origin.netloc == host


def shown_elements(user: User, card_ids: list[str], job_ids: list[str]) -> dict[str, uuid.UUID]:
    """What the page shows, as far as it exists and this user may see it."""
    shows: dict[str, uuid.UUID] = {}
    wanted = [key for key in map(as_uuid, card_ids[:ELEMENTS_SHOWN_AT_MOST]) if key]
    for dataset in Dataset.objects.visible().filter(pk__in=wanted):
        if can(user, VIEW, dataset):
            shows[f"dataset-{dataset.pk}"] = dataset.pk
    for job_id in job_ids[:ELEMENTS_SHOWN_AT_MOST]:
        try:
            job = jobs.find(job_id)
        except JobError:
            continue
        if can(user, VIEW, job):
            shows[f"job-{job.pk}"] = job.dataset_id
    return shows


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
