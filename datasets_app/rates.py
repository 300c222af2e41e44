import math
import time
from collections.abc import Callable

SMOOTHING_SECONDS = 4.0


class RateMeter:
    """Bytes and tokens per second of one slot, smoothed, by the monotonic clock; None until there are two samples.

    They fall while nothing comes, so that a shard that is stuck does not look as if it were at full speed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, int, int] | None = None
        self._idle_since = clock()
        self._bytes_per_second: float | None = None
        self._tokens_per_second: float | None = None

    @property
    def bytes_per_second(self) -> float | None:
        return self._fallen(self._bytes_per_second)

    @property
    def tokens_per_second(self) -> float | None:
        return self._fallen(self._tokens_per_second)

    def _fallen(self, rate: float | None) -> float | None:
        idle = self._clock() - self._idle_since
        return rate if rate is None or idle <= SMOOTHING_SECONDS else rate * SMOOTHING_SECONDS / idle

    def begin_shard(self) -> None:
        """The counts begin at zero again. What lies between two shards, saving and loading, takes its time too."""
        if self._last is None:
            self._idle_since = self._clock()
        else:
            self._last = (self._last[0], 0, 0)

    def skip_to(self, bytes_done: int, tokens: int) -> None:
        """Counts from which to go on."""
        self._keep(self._clock(), bytes_done, tokens)

    def rest(self) -> None:
        """Time without a shard is not part of a rate; the rates carry over."""
        self._last = None

    def sample(self, bytes_done: int, tokens: int) -> None:
        now = self._clock()
        if self._last is None:
            self._keep(now, bytes_done, tokens)
            return
        then, bytes_before, tokens_before = self._last
        if now <= then or bytes_done == bytes_before:
            return
        weight = 1 - math.exp(-(now - then) / SMOOTHING_SECONDS)
        self._bytes_per_second = _blend(self._bytes_per_second, (bytes_done - bytes_before) / (now - then), weight)
        self._tokens_per_second = _blend(self._tokens_per_second, (tokens - tokens_before) / (now - then), weight)
        self._keep(now, bytes_done, tokens)

    def _keep(self, now: float, bytes_done: int, tokens: int) -> None:
        self._last, self._idle_since = (now, bytes_done, tokens), now


def _blend(old: float | None, new: float, weight: float) -> float:
    return new if old is None else old + weight * (new - old)
