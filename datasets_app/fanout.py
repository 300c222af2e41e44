"""Top of the live path: one fan-out per web process reads what changed, renders it once, and hands it to every socket.

Hints only say where to look; what is sent is always a full snapshot read from the database, newest wins.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now
from redis.exceptions import RedisError

from datasets_app import fragments, listing, live, overview
from datasets_app.access import Viewer
from datasets_app.beats import Round
from datasets_app.fragments import Fragment, Read, Wanted
from datasets_app.overview import Overview
from datasets_app.sockets import Socket

logger = logging.getLogger(__name__)

# A card is read and sent at most four times a second.
FRAME_SECONDS = 0.25
BEAT_SECONDS = 2.0
# A beat that is not acknowledged by then is sent again.
REPEAT_SECONDS = 0.5
# A round of beats takes at least this share of its time, so that frames get through in between.
BEAT_SPREAD = 0.5
# Data that is older is not vouched for by a beat.
STALE_SECONDS = 2 * BEAT_SECONDS
EXPEL_SECONDS = 20.0
RETRY_SECONDS = 1.0
LISTS_A_ROUND = 50
# After so many sockets in a row, others get their turn.
BATCH = 100


class FanOut:
    def __init__(self) -> None:
        self._sockets: set[Socket] = set()
        self._sockets_of: Counter[int] = Counter()
        self._showing: dict[uuid.UUID, dict[str, set[Socket]]] = defaultdict(lambda: defaultdict(set))
        self._fragments: Read = {}
        self._read_at: dict[uuid.UUID, float] = {}
        self._changed: set[uuid.UUID] = set()
        self._overview: Overview | None = None
        self._rounds = 0
        self._lists_read_at: dict[listing.Followed, float] = {}
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = [
            asyncio.create_task(unending(step), name=step.__name__)
            for step in (self._listen, self._deliver, self._beat, self._expel)
        ]

    async def join(self, socket: Socket) -> bool:
        """From here on it gets whatever changes; what it shows is read now. False: this user has enough sockets."""
        if self._sockets_of[socket.viewer.pk] >= settings.SOCKETS_PER_USER:
            return False
        self._sockets.add(socket)
        self._sockets_of[socket.viewer.pk] += 1
        self._index(socket)
        return True

    def leave(self, socket: Socket) -> None:
        if socket not in self._sockets:
            return
        self._sockets.remove(socket)
        self._sockets_of -= Counter([socket.viewer.pk])  # who has none left is forgotten
        self._unindex(socket)

    def _index(self, socket: Socket) -> None:
        for element, dataset in socket.shows.items():
            self._showing[dataset][element].add(socket)
        self._hear(socket.datasets)

    def _unindex(self, socket: Socket) -> None:
        for element, dataset in socket.shows.items():
            elements = self._showing[dataset]
            elements[element].discard(socket)
            if not elements[element]:
                del elements[element]
            if not elements:
                for memory in (self._showing, self._fragments, self._read_at):
                    memory.pop(dataset, None)

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

    # Frames

    async def _deliver(self) -> None:
        """The first change at once, then at most one read and one frame per card and FRAME_SECONDS."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._changed &= self._showing.keys()
            now = time.monotonic()
            ready = {dataset for dataset in self._changed if self._due_at(dataset) <= now}
            self._changed -= ready
            if ready:
                await self._refresh(ready)
            self._wake_for_the_next()

    def _due_at(self, dataset: uuid.UUID) -> float:
        return self._read_at.get(dataset, -FRAME_SECONDS) + FRAME_SECONDS

    def _wake_for_the_next(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._changed:
            wait = min(map(self._due_at, self._changed)) - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0), self._wake.set)

    async def _refresh(self, datasets: set[uuid.UUID]) -> None:
        began = time.monotonic()
        wanted = {d: set(self._showing[d]) for d in datasets}
        viewers = {d: {s.viewer for sockets in self._showing[d].values() for s in sockets} for d in datasets}
        known = {d: self._fragments.get(d, {}) for d in datasets}
        try:
            read = await in_thread(fragments.read, wanted, viewers, known, self._overview)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Nothing could be read for the live pages: %s", error)
            self._hear(datasets)
            await asyncio.sleep(RETRY_SECONDS)
            return
        for dataset in read.keys() & self._showing.keys():
            self._read_at[dataset] = began
            self._fragments[dataset] = read[dataset]
        due = self._due(wanted, read)
        await self._each(due, lambda socket: socket.offer(due[socket]))

    def _due(self, wanted: Wanted, read: Read) -> dict[Socket, dict[str, str]]:
        """The frames of each socket."""
        due: dict[Socket, dict[str, str]] = defaultdict(dict)
        for dataset in read.keys() & self._showing.keys():
            for element, sockets in self._showing[dataset].items():
                if element not in wanted[dataset]:  # a socket came while this was read
                    self._hear([dataset])
                    continue
                fragment = read[dataset].get(element)
                for socket in sockets:
                    if frames := self._frames(socket, fragment, dataset) if fragment else {element: gone(element)}:
                        due[socket] |= frames
        return due

    def _frames(self, socket: Socket, fragment: Fragment, dataset: uuid.UUID) -> dict[str, str]:
        if fragment.html and socket.viewer not in fragment.html:  # somebody came while this was read
            self._hear([dataset])
            return {}
        return socket.due(fragment)

    # Beats

    async def _beat(self) -> None:
        while True:
            due_at = time.monotonic() + BEAT_SECONDS
            self._hear(self._showing)  # also what no hint has named
            if self._sockets and (round := await self._begin_round()):
                await self._play(round)
            await asyncio.sleep(max(due_at - time.monotonic(), 0))

    async def _play(self, round: Round) -> None:
        """Where the beat is lost, and a status with it, another one comes soon."""
        sockets = list(self._sockets)
        pause = BEAT_SECONDS * BEAT_SPREAD * BATCH / max(len(sockets), 1)
        await self._each(sockets, partial(self._beat_one, round), pause)
        await asyncio.sleep(REPEAT_SECONDS)
        unanswered = [socket for socket in self._sockets if round.number in socket.beats]
        await self._each(unanswered, partial(self._beat_one, round))

    async def _begin_round(self) -> Round | None:
        try:
            self._overview = await in_thread(overview.read)
            await self._follow_lists(self._overview)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Nothing could be read for the beat: %s", error)
            return None
        self._rounds += 1
        return Round(self._rounds, self._overview, self._fragments)

    async def _beat_one(self, round: Round, socket: Socket) -> None:
        if socket.is_lost:
            self.leave(socket)
            await socket.sender.drop()
        elif self._is_fresh(socket):  # without a beat the page says that it is behind
            await socket.beat(round.number, round.text(socket))

    def _is_fresh(self, socket: Socket) -> bool:
        now = time.monotonic()
        return all(now - self._read_at.get(dataset, 0) < STALE_SECONDS for dataset in socket.datasets)

    # Lists

    async def _follow_lists(self, overview: Overview) -> None:
        """Give a tab its page of the list anew when a card came or went."""
        followers: dict[listing.Followed, set[Socket]] = defaultdict(set)
        for socket in self._sockets:
            if socket.listing:
                followers[socket.listing].add(socket)
        chosen = self._longest_unread(followers.keys())
        wanted = {followed: {(s.viewer, s.seen) for s in followers[followed]} for followed in chosen}
        for followed, found in (await in_thread(listing.read, wanted, overview)).items():
            behind = {socket for socket in followers[followed] & self._sockets if socket.seen != found.seen}
            await self._each(behind, partial(self._relist, found))

    def _longest_unread(self, followed: Iterable[listing.Followed]) -> list[listing.Followed]:
        """As many lists as there is time for in a round, however many different ones are open."""
        now = time.monotonic()
        lists_read_at = {each: self._lists_read_at.get(each, now) for each in followed}  # the page was read just now
        chosen = sorted(lists_read_at, key=lambda each: lists_read_at[each])[:LISTS_A_ROUND]
        self._lists_read_at = lists_read_at | dict.fromkeys(chosen, now)
        return chosen

    async def _relist(self, found: listing.Found, socket: Socket) -> None:
        self._unindex(socket)
        socket.shows, socket.seen, socket.sent = found.shows, found.seen, {}
        self._index(socket)
        await socket.offer({listing.ELEMENT: found.html[socket.viewer]})

    async def _expel(self) -> None:
        """Close the sockets of whoever has signed out or may no longer come in."""
        while True:
            await asyncio.sleep(EXPEL_SECONDS)
            await self._each(await in_thread(strangers, list(self._sockets)), lambda s: s.sender.expel())

    async def _each(
        self, sockets: Iterable[Socket], act: Callable[[Socket], Awaitable[None]], pause: float = 0.0
    ) -> None:
        """One after the other. A socket that is gone must not stop the rest, and the rest not the other work."""
        for number, socket in enumerate(list(sockets), 1):
            try:
                await act(socket)
            except Exception as error:  # whatever is wrong with it, the rest must hear of everything
                logger.info("A socket is given up: %r", error)
                self.leave(socket)
            if number % BATCH == 0:
                await asyncio.sleep(pause)


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    """Outside the event loop, on a connection that is closed again when it is too old."""
    return await database_sync_to_async(call, thread_sensitive=False)(*arguments)


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
    """Those whose session has ended, or whose user is no longer active or has other rights than when they came."""
    keys = {socket.session_key for socket in sockets}
    sessions = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=Now()).values_list("session_key", flat=True)
    )
    users = get_user_model()._default_manager.filter(pk__in={socket.viewer.pk for socket in sockets}, is_active=True)
    viewers = set(map(Viewer.of, users))
    return [socket for socket in sockets if socket.session_key not in sessions or socket.viewer not in viewers]


_fan_outs: dict[asyncio.AbstractEventLoop, FanOut] = {}


def fan_out() -> FanOut:
    """The one of this process, or rather of its event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _fan_outs:
        _fan_outs[loop] = FanOut()
    return _fan_outs[loop]
