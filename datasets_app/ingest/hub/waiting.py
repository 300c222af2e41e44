"""Tries and the waits between them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from datasets_app.ingest.hub.connection import Clock

# Before the second try, the third, and so on.
WAITS_SECONDS = (1.0, 4.0, 10.0, 25.0)
TRIES = len(WAITS_SECONDS) + 1
LONGEST_WAIT_SECONDS = 3600.0
STEP_SECONDS = 0.5


@dataclass(frozen=True)
class Waiting:
    """Nothing is fetched for so many seconds more, because of `why`, a part of a sentence."""

    seconds: int
    why: str


class TryAgain(Exception):
    """A try failed in a way that may pass; `seconds` is how long the Hub asks to wait, if it does."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.why, self.seconds = why, seconds


def wait(seconds: float, why: str, clock: Clock) -> Iterator[Waiting]:
    """Sleep, and say so at least twice a second."""
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0:
        yield Waiting(math.ceil(left), why)
        clock.sleep(min(STEP_SECONDS, left))
