"""What a job shows of itself: the same figures for the card, the page, the socket and progress.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from datasets_app import sparkline
from datasets_app.jobs import Job, Status
from datasets_app.samples import Speed
from datasets_app.sparkline import Curve

FINISHED_LATELY = timedelta(minutes=10)
MEGABYTE = 10**6
NO_FILTER = "none"


@dataclass(frozen=True, slots=True)
class Progress:
    """`job` comes from `with_counts()`; `speeds` are of its run so far, `slowest` is the shard that it waits for."""

    job: Any
    slowest: Any = None
    speeds: Sequence[Speed] = ()

    @property
    def version(self) -> int:
        """Grows with everything that happens to the job or to one of its shards."""
        return int(self.job.version + self.job.total_version)

    @property
    def percent(self) -> float:
        return float(self.job.percent(self.job.total_bytes_done))

    @property
    def percent_again(self) -> float:
        """Of the work, what was done before by somebody who never finished, and is under way again."""
        again = self.job.bytes_mark - self.job.total_bytes_done
        return 100 * again / self.job.bytes_total if again > 0 and self.job.status == Status.RUNNING else 0.0

    @property
    def elapsed_seconds(self) -> float:
        return float(self.job.elapsed.total_seconds())

    @property
    def took_seconds(self) -> float | None:
        """Of a job that has ended; None where nobody wrote it down."""
        return self.elapsed_seconds or None

    @property
    def is_measured(self) -> bool:
        return self.job.status == Status.RUNNING and bool(self.job.total_bytes_per_second)

    @property
    def remaining_seconds(self) -> float | None:
        """By bytes; never less than the slowest shard takes by itself."""
        if not self.is_measured:
            return None
        left = max(self.job.bytes_total - self.job.total_bytes_done, 0)
        if self.slowest and self.slowest.bytes_per_second:
            share = self.slowest.bytes_per_second / self.job.total_bytes_per_second
            left = max(left, self.slowest.bytes_left / share)
        return float(left / self._pace)

    @property
    def _pace(self) -> float:
        """Bytes per second to reckon with: half the run so far, which is steady, half this moment, which is news."""
        now = float(self.job.total_bytes_per_second)
        if not self.speeds:
            return now
        return (sum(speed.bytes_per_second for speed in self.speeds) / len(self.speeds) + now) / 2

    @property
    def curve(self) -> Curve:
        if not self.job.counts_tokens:
            megabytes = [(speed.seconds, speed.bytes_per_second / MEGABYTE) for speed in self.speeds]
            return sparkline.draw("Megabytes per second", megabytes, self._now(self.bytes_per_second, MEGABYTE))
        tokens = [(speed.seconds, speed.tokens_per_second) for speed in self.speeds]
        return sparkline.draw("Tokens encoded per second", tokens, self._now(self.tokens_per_second))

    def _now(self, rate: float | None, unit: int = 1) -> float | None:
        """Of what has ended the rate is the mean, not the newest."""
        return rate / unit if rate is not None and self.is_measured else None

    @property
    def bytes_per_second(self) -> float | None:
        if self.job.status == Status.READY:
            return self._over_all(self.job.bytes_total)
        return float(self.job.total_bytes_per_second) if self.is_measured else None

    @property
    def tokens_per_second(self) -> float | None:
        if self.job.status == Status.READY:
            return self._over_all(self.job.total_tokens_processed)
        return float(self.job.total_tokens_per_second or 0) if self.is_measured else None

    def _over_all(self, figure: int) -> float | None:
        return figure / self.elapsed_seconds if self.elapsed_seconds > 0 else None

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why rows are left out; they make up what is processed and not kept."""
        job, spec = self.job, self.spec
        asked = [
            ("Too short", job.total_filtered_too_short, spec.get("min_characters")),
            ("Too few tokens", job.total_filtered_too_few_tokens, spec.get("min_tokens")),
            ("Too many tokens", job.total_filtered_too_many_tokens, spec.get("max_tokens")),
        ]
        always = [("Empty", job.total_filtered_empty), ("Junk", job.total_filtered_junk)]
        return [*always, *((name, count) for name, count, limit in asked if limit), ("Errored", job.total_errored)]

    @property
    def spec(self) -> dict[str, Any]:
        """Of a tokenization by an earlier version it may lack options; an import has none."""
        return getattr(self.job, "spec", None) or {}

    @property
    def filter_mode(self) -> str | None:
        """None where it is not known any more."""
        return self.spec.get("filter_mode") if self.job.counts_tokens else NO_FILTER

    @property
    def filter_threshold(self) -> float | None:
        return None if self.filter_mode == NO_FILTER else self.spec.get("filter_threshold")

    @property
    def is_counted(self) -> bool:
        """Not so where an earlier version left no shards."""
        return self.shards_total > 0 or self.job.bytes_total == 0

    @property
    def rows_kept(self) -> int | None:
        return self.job.total_kept if self.is_counted else self._statistic("rows")

    @property
    def tokens_written(self) -> int | None:
        return self.job.total_tokens if self.is_counted else self._statistic("tokens_written")

    def _statistic(self, name: str) -> int | None:
        return (getattr(self.job, "statistics", None) or {}).get(name)

    @property
    def shards_total(self) -> int:
        return int(self.job.shards_waiting + self.job.shards_running + self.job.shards_done)

    @property
    def is_fresh(self) -> bool:
        ended = self.job.ended_at
        return ended is not None and timezone.now() - ended < FINISHED_LATELY

    def as_dict(self) -> dict[str, Any]:
        job: Job = self.job
        return {
            "job_id": str(job.pk),
            "kind": job.kind,
            "tokenization_id": str(job.pk) if job.kind == "tokenization" else None,
            "status": job.status,
            "stage": job.stage,
            "progress": round(self.percent, 1),
            "samples_total": job.rows_total,
            "samples_processed": self.job.total_processed,
            "samples_kept": self.job.total_kept,
            "samples_filtered": self.job.total_filtered,
            "samples_errored": self.job.total_errored,
            "filter_mode": self.filter_mode,
            "filter_threshold": self.filter_threshold,
            "tokens_processed": self.job.total_tokens_processed,
            "tokens_per_second": _rounded(self.tokens_per_second),
            "bytes_total": job.bytes_total,
            "bytes_done": job.bytes_total if job.status == Status.READY else self.job.total_bytes_done,
            "bytes_per_second": _rounded(self.bytes_per_second),
            "waits_until": job.waits_until,
            "waits_for": job.waits_for,
            "elapsed_seconds": _rounded(self.elapsed_seconds),
            "estimated_seconds_remaining": _rounded(self.remaining_seconds),
            "started_at": job.started_at,
            "completed_at": job.ended_at,
            "version": self.version,
        }


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)
