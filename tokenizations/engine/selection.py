"""Which rows of a split are taken: all, the first, or a sample. The same ones however the split is cut into shards."""

from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import Spec

Rows = npt.NDArray[np.int64]
# A sample is first shared out among blocks of this many rows, so that a shard draws only for the blocks it touches.
BLOCK_ROWS = 1 << 16
# The limit of NumPy's hypergeometric distribution.
LARGEST_SAMPLED_SPLIT = 10**9 - 1


class Selection:
    """Of a split with `split_rows` rows. Raises OptionError for a sample of a split of a thousand million rows."""

    def __init__(self, spec: Spec, split: str, split_rows: int) -> None:
        self._rows = split_rows
        self._first = spec.first_rows
        self._sample = spec.sample_rows
        self._seed = [spec.sample_seed, crc32(split.encode())]
        if self._sample is not None and split_rows > LARGEST_SAMPLED_SPLIT:
            raise OptionError(
                "sample_rows",
                f"The split {split!r} has {split_rows:,} rows, too many to take a sample of.",
                "Take the first rows instead.",
            )

    def within(self, first: int, rows: int) -> Rows | None:
        """The chosen ones among `rows` rows from row `first` on, ascending, int64, counted from `first`; None: all."""
        if self._first is not None:
            chosen = max(min(self._first - first, rows), 0)
            return None if chosen == rows else np.arange(chosen)
        if self._sample is None or self._sample >= self._rows:
            return None
        blocks = range(first // BLOCK_ROWS, -(-(first + rows) // BLOCK_ROWS))
        drawn = np.concatenate([np.empty(0, np.int64), *(self._draw(block) for block in blocks)]) - first
        return drawn[(drawn >= 0) & (drawn < rows)]

    def count(self, first: int, rows: int) -> int:
        """How many of them there are."""
        chosen = self.within(first, rows)
        return rows if chosen is None else len(chosen)

    @cached_property
    def _shares(self) -> Rows:
        sizes = np.full(-(-self._rows // BLOCK_ROWS), BLOCK_ROWS)
        sizes[-1] = self._rows - BLOCK_ROWS * (len(sizes) - 1)
        random = np.random.default_rng(self._seed)
        return random.multivariate_hypergeometric(sizes, self._sample or 0, method="marginals")

    def _draw(self, block: int) -> Rows:
        size = min(BLOCK_ROWS, self._rows - block * BLOCK_ROWS)
        random = np.random.default_rng([*self._seed, block])
        chosen = random.choice(size, int(self._shares[block]), replace=False, shuffle=False)
        return np.sort(chosen).astype(np.int64) + block * BLOCK_ROWS
