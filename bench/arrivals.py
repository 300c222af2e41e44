"""From what came where and when: how long each commit took to each tab, and which tabs ended up behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MS = 1000
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Commits:
    """Versions in ascending order, the moment of each, and how long was watched for what came of them."""

    versions: np.ndarray[Any, np.dtype[np.int64]]
    moments: np.ndarray[Any, np.dtype[np.float64]]
    watched_until: float

    @classmethod
    def of(cls, pairs: list[tuple[int, float]], watched_until: float) -> "Commits":
        versions, moments = zip(*pairs, strict=True)
        return cls(np.array(versions), np.array(moments), watched_until)


class Arrivals:
    def __init__(self, path: Path, tabs: range) -> None:
        with np.load(path) as saved:
            of_tab, moments, versions = saved["tabs"], saved["moments"], saved["versions"]
        order = np.argsort(of_tab, kind="stable")
        cuts = np.searchsorted(of_tab[order], [*tabs, tabs.stop])
        self.moments = np.split(moments[order], cuts)[1:-1]
        self.versions = np.split(versions[order], cuts)[1:-1]

    def latencies(self, commits: Commits) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Seconds, of each commit to each tab: to the first frame with its version or a newer one.

        What never came counts as if it had at the very end.
        """
        return np.concatenate([self._latencies(*tab, commits) for tab in zip(self.moments, self.versions, strict=True)])

    def _latencies(self, moments: Any, versions: Any, commits: Commits) -> Any:
        first = np.searchsorted(np.maximum.accumulate(versions), commits.versions)
        return np.append(moments, commits.watched_until)[first] - commits.moments

    def stale(self, version: int) -> int:
        """Tabs whose last version is not this one."""
        return sum(not len(versions) or int(versions[-1]) != version for versions in self.versions)

    def since(self, moment: float) -> int:
        return sum(int(np.count_nonzero(moments >= moment)) for moments in self.moments)


def percentiles(latencies: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    figures = {f"p{each}_ms": float(np.percentile(latencies, each)) * MS for each in PERCENTILES}
    return {**figures, "max_ms": float(latencies.max()) * MS}
