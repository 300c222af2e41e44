import math
import time
from collections.abc import Callable

SMOOTHING_SECONDS = 4.0


class RateMeter:
    """Bytes and tokens per second of one slot, smoothed, by the monotonic clock; None until there are two samples."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, int, int] | None = None
        self.bytes_per_second: float | None = None
        self.tokens_per_second: float | None = None

    def begin_shard(self) -> None:
        """The counts begin at zero again. What lies between two shards, saving and loading, takes its time too."""
        if self._last is not None:
            self._last = (self._last[0], 0, 0)

    def rest(self) -> None:
        """Time without a shard is not part of a rate; the rates carry over."""
        self._last = None

    def sample(self, bytes_done: int, tokens: int) -> None:
        now = self._clock()
        if self._last is None:
            self._last = (now, bytes_done, tokens)
            return
        then, bytes_before, tokens_before = self._last
        if now <= then or bytes_done == bytes_before:
            return
        weight = 1 - math.exp(-(now - then) / SMOOTHING_SECONDS)
        self.bytes_per_second = _blend(self.bytes_per_second, (bytes_done - bytes_before) / (now - then), weight)
        self.tokens_per_second = _blend(self.tokens_per_second, (tokens - tokens_before) / (now - then), weight)
        self._last = (now, bytes_done, tokens)


def _blend(old: float | None, new: float, weight: float) -> float:
    return new if old is None else old + weight * (new - old)
