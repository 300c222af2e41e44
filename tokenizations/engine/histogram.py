"""Exact counts of whole numbers, however many and far apart."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def _no_numbers() -> Numbers:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Histogram:
    """`values` ascending and different, int64, and how often each was seen, int64."""

    values: Numbers = field(default_factory=_no_numbers)
    counts: Numbers = field(default_factory=_no_numbers)

    @classmethod
    def of(cls, numbers: Numbers) -> Self:
        values, counts = np.unique(numbers, return_counts=True)
        return cls(values.astype(np.int64), counts.astype(np.int64))

    def __add__(self, other: "Histogram") -> "Histogram":
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return Histogram(values, counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return np.array_equal(self.values, other.values) and np.array_equal(self.counts, other.counts)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        return int((self.values * self.counts).sum())

    @property
    def mean(self) -> float | None:
        return self.total / self.rows if self.rows else None

    @property
    def min(self) -> int | None:
        return int(self.values[0]) if self.rows else None

    @property
    def max(self) -> int | None:
        return int(self.values[-1]) if self.rows else None

    @property
    def median(self) -> float | None:
        """Between the two middle values where their number is even."""
        if not self.rows:
            return None
        return (self._at((self.rows - 1) // 2) + self._at(self.rows // 2)) / 2

    def percentile(self, share: int, of: int = 100) -> int | None:
        """The smallest value that at least this share of all is not above; None where there are none."""
        if not self.rows:
            return None
        return self._at(max(-(-self.rows * share // of), 1) - 1)

    def over(self, limit: int) -> int:
        """How many values are above `limit`."""
        return int(self.counts[self.values > limit].sum())

    def steps(self, width: int, most: int) -> list[tuple[int, int]]:
        """(first value, count) of each step of this width, empty ones included, up to the largest value.

        There are at most `most`; the last of so many has whatever is beyond it too.
        """
        if not self.rows:
            return []
        counts = np.bincount(np.minimum(self.values // width, most - 1), weights=self.counts).astype(np.int64)
        return [(number * width, int(count)) for number, count in enumerate(counts)]

    def _at(self, rank: int) -> int:
        return int(self.values[np.searchsorted(np.cumsum(self.counts), rank, side="right")])


def round_width(end: int, most: int) -> int:
    """The first of 1, 2, 5, 10, 20, 50, … of which at most `most` steps from 0 on go past `end`."""
    scale = 1
    while True:
        for step in (1, 2, 5):
            if end // (step * scale) < most:
                return step * scale
        scale *= 10
