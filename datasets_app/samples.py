"""How fast each job was over its run, as a bounded number of samples that the slots at work write down."""

import logging
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F, OuterRef, Q, Subquery, Sum

from datasets_app.jobs import Job, Status, time_spent
from datasets_app.models import Sample
from datasets_app.shards import Shard

logger = logging.getLogger(__name__)

SHORTEST_INTERVAL_SECONDS = 2
MOST_SAMPLES = 96


def interval_at(second: float) -> int:
    """Seconds from one sample to the next. It doubles, so that a run of any length has at most MOST_SAMPLES."""
    interval = SHORTEST_INTERVAL_SECONDS
    while second >= interval * MOST_SAMPLES:
        interval *= 2
    return interval


@dataclass(frozen=True, slots=True)
class Speed:
    """Of all slots of a job together; `seconds` is how long it has been running."""

    seconds: float
    bytes_per_second: float
    tokens_per_second: float


class Sampler:
    """Of one slot and one job. Slots need not know of each other: whoever comes first to a moment writes it."""

    def __init__(self, job: Job, clock: Callable[[], float] = time.monotonic) -> None:
        self._job, self._clock = job, clock
        self._interval = 0
        self._next = 0.0

    def sample_if_due(self) -> None:
        """A gap in a curve stops nothing: what goes wrong is logged, unless it takes the caller's writes along."""
        if self._clock() < self._next:
            return
        try:
            with transaction.atomic():
                if speed := speed_of(self._job):
                    self._write(speed)
        except (DatabaseError, InterfaceError) as error:
            if connection.needs_rollback:
                raise
            logger.warning("A sample of %s was not written: %s", self._job.pk, error)

    def _write(self, speed: Speed) -> None:
        interval = interval_at(speed.seconds)
        self._next = self._clock() + interval - speed.seconds % interval
        sample = Sample(
            dataset_id=self._job.dataset_id,
            job_id=self._job.pk,
            second=int(speed.seconds // interval * interval),
            bytes_per_second=speed.bytes_per_second,
            tokens_per_second=speed.tokens_per_second,
        )
        Sample.objects.bulk_create([sample], ignore_conflicts=True)
        if interval != self._interval:
            thin_out(self._job.pk, interval)
        self._interval = interval


def speed_of(job: Job) -> Speed | None:
    """What its card shows at this moment. None while nothing is measured, or if it does not run."""
    running = job.shard_model().objects.filter(job=OuterRef("pk"), state=Shard.State.RUNNING).order_by().values("job")
    sums = {
        name: Subquery(running.annotate(total=Sum(name)).values("total"))
        for name in ("bytes_per_second", "tokens_per_second")
    }
    jobs = type(job).objects.visible().filter(pk=job.pk, status=Status.RUNNING).annotate(spent=time_spent(), **sums)
    row = jobs.values_list("spent", *sums).first()
    if row is None or row[1] is None:
        return None
    return Speed(max(row[0].total_seconds(), 0.0), row[1], row[2] or 0.0)


def thin_out(job_id: uuid.UUID, interval: int) -> None:
    Sample.objects.filter(job_id=job_id).annotate(rest=F("second") % interval).filter(~Q(rest=0)).delete()


def by_job(jobs: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Speed]]:
    """In the order of the run."""
    found: dict[uuid.UUID, list[Speed]] = {}
    rows: Any = Sample.objects.filter(job_id__in=list(jobs)).order_by("job_id", "second")
    for job_id, *figures in rows.values_list("job_id", "second", "bytes_per_second", "tokens_per_second"):
        found.setdefault(job_id, []).append(Speed(*figures))
    return found
