"""What a job shows of itself: the same figures for the card, the page, the socket and progress.json."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from datasets_app.jobs import Job, Status

ALMOST = 99.9
FINISHED_LATELY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Progress:
    """`job` comes from `with_counts()`."""

    job: Any

    @property
    def version(self) -> int:
        """Grows with everything that happens to the job or to one of its shards."""
        return int(self.job.version + self.job.total_version)

    @property
    def percent(self) -> float:
        """By bytes; never falls, and only a finished job has 100."""
        if self.job.status == Status.READY:
            return 100.0
        done = max(self.job.bytes_mark, self.job.total_bytes_done)
        return min(100 * done / self.job.bytes_total, ALMOST) if self.job.bytes_total else 0.0

    @property
    def elapsed_seconds(self) -> float:
        return float(self.job.elapsed.total_seconds())

    @property
    def is_measured(self) -> bool:
        return self.job.status == Status.RUNNING and bool(self.job.total_bytes_per_second)

    @property
    def remaining_seconds(self) -> float | None:
        if not self.is_measured:
            return None
        left = max(self.job.bytes_total - self.job.total_bytes_done, 0)
        return float(left / self.job.total_bytes_per_second)

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
    def kept_share(self) -> float | None:
        return self._share(self.job.total_kept)

    @property
    def filtered_share(self) -> float | None:
        return self._share(self.job.total_filtered)

    def _share(self, figure: int) -> float | None:
        return 100 * figure / self.job.total_processed if self.job.total_processed else None

    @property
    def reasons(self) -> list[tuple[str, int]]:
        return [("Empty", self.job.total_filtered_empty), ("Junk", self.job.total_filtered_junk)]

    @property
    def filter_mode(self) -> str:
        return str(getattr(self.job, "spec", {}).get("filter_mode", "none"))

    @property
    def filter_threshold(self) -> float | None:
        threshold = getattr(self.job, "spec", {}).get("filter_threshold")
        return None if self.filter_mode == "none" else threshold

    @property
    def shows_filter(self) -> bool:
        return self.filter_mode != "none" or self.job.total_filtered > 0

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
            "elapsed_seconds": _rounded(self.elapsed_seconds),
            "estimated_seconds_remaining": _rounded(self.remaining_seconds),
            "started_at": job.started_at,
            "completed_at": job.ended_at,
            "version": self.version,
        }


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)
