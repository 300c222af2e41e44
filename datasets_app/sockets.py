"""One browser tab at the other end of a socket: what it shows, and how far it has kept up."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from datasets_app.access import Viewer
from datasets_app.fragments import Fragment
from datasets_app.listing import Followed

# A tab acknowledges each beat; with this many frames since the last one it gets nothing but the newest.
UNACKNOWLEDGED_FRAMES = 20
UNACKNOWLEDGED_SECONDS = 30.0


class Sender(Protocol):
    async def send_text(self, text: str) -> None: ...

    async def drop(self) -> None: ...

    async def expel(self) -> None: ...


@dataclass(eq=False, slots=True)
class Socket:
    sender: Sender
    viewer: Viewer
    shows: dict[str, uuid.UUID]  # element id -> dataset
    session_key: str = ""
    # As the page asked for it: tabs with the same one show the same.
    address: str = ""
    # The page of the list that the tab follows, and which cards it had when it was rendered.
    listing: Followed | None = None
    seen: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    acknowledged: int = 0
    acknowledged_at: float = field(default_factory=time.monotonic)
    # Of each beat that is not yet acknowledged: how many frames had been sent by then.
    beats: dict[int, int] = field(default_factory=dict)

    @property
    def datasets(self) -> set[uuid.UUID]:
        return set(self.shows.values())

    @property
    def is_behind(self) -> bool:
        return self.frames - self.acknowledged >= UNACKNOWLEDGED_FRAMES

    @property
    def is_lost(self) -> bool:
        return time.monotonic() - self.acknowledged_at > UNACKNOWLEDGED_SECONDS

    async def offer(self, frames: dict[str, str]) -> None:
        self.pending.update(frames)
        await self.flush()

    async def flush(self) -> None:
        if self.pending and not self.is_behind:
            text, self.pending = "\n".join(self.pending.values()), {}
            self.frames += 1
            await self.sender.send_text(text)

    async def beat(self, number: int, text: str) -> None:
        """Also to a tab that is behind: it is how it says that it goes on."""
        self.beats.setdefault(number, self.frames)  # what came between it and its repetition has not arrived for sure
        await self.sender.send_text(text)

    async def acknowledge(self, number: int) -> None:
        """This beat has arrived, and with it all that was sent before. A number that cannot be is ignored."""
        if number in self.beats:
            self.acknowledged, self.acknowledged_at = self.beats[number], time.monotonic()
            self.beats = {later: frames for later, frames in self.beats.items() if later > number}
            await self.flush()

    def due(self, fragment: Fragment) -> dict[str, str]:
        """The frames that bring this element up to date: itself, or only what changed inside it."""
        frames: dict[str, str] = {}
        if fragment.html and fragment.version > self.sent.get(fragment.id, 0):
            frames[fragment.id] = fragment.html[self.viewer]
            self.sent[fragment.id] = fragment.version
            for name, version in fragment.brings.items():
                self.sent[name] = max(version, self.sent.get(name, 0))
                self.pending.pop(name, None)
        for part in fragment.parts:
            frames |= self.due(part)
        return frames
