"""Many short arrays in one long one, and what is done to all of them at once."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Flat = TypeVar("Flat", bound=npt.NDArray[Any])


def offsets_of(lengths: Lengths) -> Lengths:
    """Where each begins in the long array, and after the last one its length: int64, one more than there are."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def sums(flags: Mask, offsets: Lengths) -> Lengths:
    """How many are true in each, int64."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    full = offsets[:-1] < offsets[1:]
    if len(flags):
        # the empty ones take nothing from between the others
        counts[full] = np.add.reduceat(flags.view(np.int8), offsets[:-1][full], dtype=np.int64)
    return counts


def inside(starts: Lengths, lengths: Lengths, size: int) -> Mask:
    """Which places of a long array lie within these stretches, which ascend and do not overlap."""
    # +1 where one starts and -1 where it ends: the running sum is 1 inside. Empty ones would count twice.
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    steps = np.zeros(size + 1, np.int8)
    steps[starts] += 1
    steps[starts + lengths] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)


def places(starts: Lengths, lengths: Lengths) -> Lengths:
    """The places within these stretches one after the other, which may overlap and stand in any order."""
    offsets = offsets_of(lengths)
    found: Lengths = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return found


def runs(lengths: Lengths) -> Lengths:
    """0, 1, 2 and so on within each."""
    return places(np.zeros(len(lengths), np.int64), lengths)
