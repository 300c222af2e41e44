import json
import time
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.http import QueryDict

from datasets_app import jobs
from datasets_app.access import VIEW, Viewer, can
from datasets_app.errors import JobError
from datasets_app.fanout import fan_out
from datasets_app.listing import Listing, followed
from datasets_app.models import Dataset
from datasets_app.sockets import Socket

NOT_SIGNED_IN = 4401
FOREIGN_PAGE = 4403
# The page polls from then on.
TOO_MANY_SOCKETS = 4429
# The client reconnects after this code.
TRY_AGAIN = 1013
SHOWN_AT_MOST = 100
# The elements that a page of each kind shows.
CARD = ("dataset",)
DATASET_PAGE = ("head", "jobs", "tokenizations", "events", "content")
JOB_PAGE = ("head", "job", "events", "result")
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
        session = self.scope["session"].session_key or ""
        query = self.scope["query_string"].decode("latin-1")
        self.socket = await database_sync_to_async(socket_for)(self, user, session, query)
        await self.accept()
        if not await fan_out().join(self.socket):
            await self.close(TOO_MANY_SOCKETS)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """What a tab says needs no database: Channels would look after its connections first, in a thread."""
        if message["type"] == "websocket.receive":
            await self.receive(message.get("text"))
        else:
            await super().dispatch(message)

    async def disconnect(self, code: int) -> None:
        if self.socket:
            fan_out().leave(self.socket)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The only frame a client sends is an acknowledgement, and seldom."""
        now = time.monotonic()
        number = acknowledgement(text_data)
        if self.socket is None or number is None or now - self.heard_at < 1 / ACKNOWLEDGEMENTS_A_SECOND:
            return
        self.heard_at = now
        await self.socket.acknowledge(number)

    async def send_text(self, text: str) -> None:
        if write := self.scope.get("write"):
            write(text)
        else:
            await self.send(text_data=text)

    async def drop(self) -> None:
        await self.close(TRY_AGAIN)

    async def expel(self) -> None:
        await self.close(NOT_SIGNED_IN)


def acknowledgement(text: str | None) -> int | None:
    """The number of the beat that has arrived."""
    if not text or len(text) > LARGEST_ACKNOWLEDGEMENT:
        return None
    try:
        number = json.loads(text)["beat"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None


def is_own_page(scope: dict[str, Any]) -> bool:
    """The page has to come from this very host and port, not just from an allowed host."""
    headers = dict(scope["headers"])
    origin = urlsplit(headers.get(b"origin", b"").decode("latin-1"))
    host: str = headers.get(b"host", b"").decode("latin-1")
    return bool(host) and origin.netloc == host


def socket_for(consumer: LiveConsumer, user: User, session_key: str, address: str) -> Socket:
    """What the page shows, as far as it exists and this user may see it."""
    query = parse_qs(address, keep_blank_values=True)
    socket = Socket(consumer, Viewer.of(user), {}, session_key, address)
    if "list" in query:
        socket.listing, socket.seen = followed(query["list"][0], socket.viewer), query.get("seen", [""])[0]
        socket.shows |= Listing(QueryDict(socket.listing.query), user).shows
    socket.shows |= elements_of_datasets(user, keys(query, "card"), CARD)
    socket.shows |= elements_of_datasets(user, keys(query, "dataset"), DATASET_PAGE)
    socket.shows |= elements_of_jobs(user, keys(query, "tokenization"), JOB_PAGE)
    return socket


def keys(query: dict[str, list[str]], name: str) -> list[uuid.UUID]:
    return [key for text in query.get(name, [])[:SHOWN_AT_MOST] if (key := as_uuid(text))]


def elements_of_datasets(user: User, wanted: list[uuid.UUID], names: tuple[str, ...]) -> dict[str, uuid.UUID]:
    datasets = Dataset.objects.visible().filter(pk__in=wanted)
    return {f"{name}-{each.pk}": each.pk for each in datasets if can(user, VIEW, each) for name in names}


def elements_of_jobs(user: User, wanted: list[uuid.UUID], names: tuple[str, ...]) -> dict[str, uuid.UUID]:
    shows: dict[str, uuid.UUID] = {}
    for key in wanted:
        with suppress(JobError):
            job = jobs.find(key)
            shows |= {f"{name}-{key}": job.dataset_id for name in names if can(user, VIEW, job)}
    return shows


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
