"""Top of the live path: one fan-out per web process reads what changed, renders it once, and hands it to every socket.

Hints only say where to look; what is sent is always a full snapshot read from the database, newest wins.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now
from django.template.loader import render_to_string
from redis.exceptions import RedisError

from datasets_app import cards, live
from datasets_app.access import Viewer, controllable
from datasets_app.cards import Card
from datasets_app.progress import Progress

logger = logging.getLogger(__name__)

# A card is read and sent at most four times a second.
FRAME_SECONDS = 0.25
BEAT_SECONDS = 2.0
# Data that is older is not vouched for by a beat.
STALE_SECONDS = 2 * BEAT_SECONDS
EXPEL_SECONDS = 20.0
# A card that no hint has named for so long is read all the same.
UNREAD_SECONDS = 1.8
RETRY_SECONDS = 1.0
# A client acknowledges at most once a second; with this many frames on their way it gets nothing but the newest.
UNACKNOWLEDGED_FRAMES = 8
UNACKNOWLEDGED_SECONDS = 30.0


class Sender(Protocol):
    async def send_text(self, text: str) -> None: ...

    async def drop(self) -> None: ...

    async def expel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fragment:
    """One snapshot of one element. `parts` are the elements inside it, which it brings along."""

    id: str
    version: int
    html: dict[Viewer, str]
    parts: tuple["Fragment", ...] = ()


@dataclass(eq=False, slots=True)
class Socket:
    """One browser tab: whose it is, what it shows, and how far it has kept up."""

    sender: Sender
    viewer: Viewer
    shows: dict[str, uuid.UUID]  # element id -> dataset
    session_key: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    acknowledged: int = 0
    behind_since: float | None = None

    @property
    def datasets(self) -> set[uuid.UUID]:
        return set(self.shows.values())

    @property
    def is_behind(self) -> bool:
        return self.frames - self.acknowledged >= UNACKNOWLEDGED_FRAMES

    async def offer(self, frames: dict[str, str]) -> None:
        self.pending.update(frames)
        await self.flush()

    async def flush(self) -> None:
        if self.is_behind:
            self.behind_since = self.behind_since or time.monotonic()
            return
        self.behind_since = None
        if self.pending:
            text, self.pending = "\n".join(self.pending.values()), {}
            self.frames += 1
            await self.sender.send_text(text)

    async def acknowledge(self, seen: int) -> None:
        """`seen` frames have arrived. Numbers that cannot be are ignored."""
        if self.acknowledged < seen <= self.frames:
            self.acknowledged = seen
            await self.flush()

    async def beat(self, versions: dict[str, int]) -> None:
        if self.behind_since and time.monotonic() - self.behind_since > UNACKNOWLEDGED_SECONDS:
            await self.sender.drop()
        elif not self.is_behind:
            self.frames += 1
            await self.sender.send_text(json.dumps({"versions": versions}))

    def due(self, fragment: Fragment) -> dict[str, str]:
        """The frames that bring this element up to date: itself, or only what changed inside it."""
        if fragment.version > self.sent.get(fragment.id, 0):
            for each in (fragment, *fragment.parts):
                self.sent[each.id] = each.version
                self.pending.pop(each.id, None)
            return {fragment.id: fragment.html[self.viewer]}
        frames: dict[str, str] = {}
        for part in fragment.parts:
            if part.version > self.sent.get(part.id, 0):
                frames |= self.due(part)
        return frames


class FanOut:
    def __init__(self) -> None:
        self._sockets: set[Socket] = set()
        self._fragments: dict[uuid.UUID, dict[str, Fragment]] = {}
        self._read_at: dict[uuid.UUID, float] = {}
        self._changed: set[uuid.UUID] = set()
        self._wake = asyncio.Event()
        self._tasks = [
            asyncio.create_task(unending(step), name=step.__name__)
            for step in (self._listen, self._deliver, self._beat, self._expel)
        ]

    async def join(self, socket: Socket) -> None:
        """From here on it gets whatever changes; what it shows is read now."""
        self._sockets.add(socket)
        self._hear(socket.datasets)

    def leave(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        shown = self._shown()
        for dataset in socket.datasets - shown:
            self._fragments.pop(dataset, None)
            self._read_at.pop(dataset, None)

    def _shown(self) -> set[uuid.UUID]:
        return set().union(*(socket.datasets for socket in self._sockets))

    def _hear(self, datasets: Iterable[uuid.UUID]) -> None:
        self._changed.update(datasets)
        self._wake.set()

    async def _listen(self) -> None:
        """The one channel-layer receiver of this process."""
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                await layer.group_add(live.GROUP, channel)
                while True:
                    message = await layer.receive(channel)
                    self._hear([uuid.UUID(message["dataset"])])
            except (RedisError, OSError) as error:
                logger.warning("No hints for now (%s); the beat reads by itself.", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _deliver(self) -> None:
        """The first change at once, then at most one read and one frame per card and FRAME_SECONDS."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            now = time.monotonic()
            shown = self._changed & self._shown()
            ready = {dataset for dataset in shown if now - self._read_at.get(dataset, 0) >= FRAME_SECONDS}
            self._changed = shown - ready
            if ready:
                await self._refresh(ready)
            if self._changed:
                await asyncio.sleep(FRAME_SECONDS / 5)
                self._wake.set()

    async def _refresh(self, datasets: set[uuid.UUID]) -> None:
        began = time.monotonic()
        viewers = {socket.viewer for socket in self._sockets if socket.datasets & datasets}
        try:
            read = await database_sync_to_async(read_fragments, thread_sensitive=False)(datasets, viewers)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Nothing could be read for the live pages: %s", error)
            self._hear(datasets)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._read_at.update(dict.fromkeys(datasets, began))
        self._fragments.update(read)
        for socket in list(self._sockets):
            await self._bring_up_to_date(socket, read)

    async def _bring_up_to_date(self, socket: Socket, read: dict[uuid.UUID, dict[str, Fragment]]) -> None:
        frames: dict[str, str] = {}
        for element, dataset in socket.shows.items():
            if dataset not in read:
                continue
            fragment = read[dataset].get(element)
            if fragment is None:
                frames[element] = gone(element)
            elif socket.viewer in fragment.html:
                frames |= socket.due(fragment)
            else:  # it came while this was read
                self._hear([dataset])
        if frames:
            await self._safely(socket, socket.offer(frames))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = time.monotonic()
            self._hear({d for d in self._shown() if now - self._read_at.get(d, 0) >= UNREAD_SECONDS})
            for socket in list(self._sockets):
                if self._is_fresh(socket, now):  # without a beat the page says that it is behind
                    await self._safely(socket, socket.beat(self._versions(socket)))

    def _is_fresh(self, socket: Socket, now: float) -> bool:
        return all(now - self._read_at.get(dataset, 0) < STALE_SECONDS for dataset in socket.datasets)

    async def _expel(self) -> None:
        """Close the sockets of whoever has signed out or may no longer come in."""
        while True:
            await asyncio.sleep(EXPEL_SECONDS)
            for socket in await database_sync_to_async(strangers, thread_sensitive=False)(list(self._sockets)):
                await self._safely(socket, socket.sender.expel())

    def _versions(self, socket: Socket) -> dict[str, int]:
        versions: dict[str, int] = {}
        for element, dataset in socket.shows.items():
            if fragment := self._fragments.get(dataset, {}).get(element):
                versions |= {each.id: each.version for each in (fragment, *_within(fragment))}
        return versions

    async def _safely(self, socket: Socket, call: Any) -> None:
        """A socket that is gone must not stop the others."""
        try:
            await call
        except (OSError, RuntimeError) as error:
            logger.debug("A socket is gone: %s", error)
            self.leave(socket)


def _within(fragment: Fragment) -> Iterable[Fragment]:
    for part in fragment.parts:
        yield part
        yield from _within(part)


def gone(element: str) -> str:
    return f'<div id="{element}" data-gone></div>'


async def unending(step: Callable[[], Awaitable[None]]) -> None:
    """A fault in one round must not end the live pages of this process without a word."""
    while True:
        try:
            await step()
        except Exception:
            logger.exception("The fan-out stumbled and goes on.")
            await asyncio.sleep(RETRY_SECONDS)


def strangers(sockets: list[Socket]) -> list[Socket]:
    """Those whose session has ended or whose user is no longer active."""
    keys = {socket.session_key for socket in sockets}
    sessions = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=Now()).values_list("session_key", flat=True)
    )
    users = get_user_model()._default_manager.filter(pk__in={socket.viewer.pk for socket in sockets}, is_active=True)
    active = set(users.values_list("pk", flat=True))
    return [socket for socket in sockets if socket.session_key not in sessions or socket.viewer.pk not in active]


def read_fragments(datasets: set[uuid.UUID], viewers: set[Viewer]) -> dict[uuid.UUID, dict[str, Fragment]]:
    """Every element that any page may show of these datasets, by element id; nothing for one that is deleted."""
    read: dict[uuid.UUID, dict[str, Fragment]] = {dataset: {} for dataset in datasets}
    for card in cards.load_ids(datasets):
        read[card.dataset.pk] = {fragment.id: fragment for fragment in card_fragments(card, viewers)}
    return read


def card_fragments(card: Card, viewers: set[Viewer]) -> list[Fragment]:
    version = card.dataset.version
    rights = {viewer: controllable(viewer, (progress.job for progress in card.jobs)) for viewer in viewers}
    jobs = {
        progress.job.pk: Fragment(
            id=f"job-{progress.job.pk}",
            version=version,
            html=rendered("datasets/_job.html", rights, progress=progress, is_page=True),
            parts=(progress_fragment(progress, viewers),),
        )
        for progress in card.jobs
    }
    panels = tuple(part for progress in card.panels for part in jobs[progress.job.pk].parts)
    frame = Fragment(f"dataset-{card.dataset.pk}", version, rendered("datasets/_card.html", rights, card=card), panels)
    return [frame, *jobs.values()]


def progress_fragment(progress: Progress, viewers: set[Viewer]) -> Fragment:
    html = render_to_string("datasets/_progress.html", {"progress": progress})
    return Fragment(f"job-{progress.job.pk}-progress", progress.version, dict.fromkeys(viewers, html))


def rendered(template: str, rights: dict[Viewer, frozenset[uuid.UUID]], **context: Any) -> dict[Viewer, str]:
    """Once for all who may do the same."""
    by_rights = {
        allowed: render_to_string(template, {**context, "controllable": allowed}) for allowed in set(rights.values())
    }
    return {viewer: by_rights[allowed] for viewer, allowed in rights.items()}


_fan_outs: dict[asyncio.AbstractEventLoop, FanOut] = {}


def fan_out() -> FanOut:
    """The one of this process, or rather of its event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _fan_outs:
        _fan_outs[loop] = FanOut()
    return _fan_outs[loop]
