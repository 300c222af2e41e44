"""What happened to a dataset or to one of its jobs, newest first."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.urls import reverse

from datasets_app.jobs import Job
from datasets_app.models import Dataset, Event

EVENTS_SHOWN = 20
# Their sentences do not name the job.
OF_SOME_JOB = ("stage", "checkpoint", "shard", "failed")


@dataclass(frozen=True, slots=True)
class History:
    """The newest events, and how many there are."""

    owner: Dataset | Job
    events: list[Event]
    total: int

    @property
    def version(self) -> int:
        """Events are never taken back, so their number only grows."""
        return self.total

    @property
    def is_whole(self) -> bool:
        return self.total <= len(self.events)

    @property
    def address(self) -> str:
        """Of all of them."""
        kind = "datasets" if isinstance(self.owner, Dataset) else "tokenizations"
        return reverse(f"{kind}:events", args=[self.owner.pk])


def load(owner: Dataset | Job, jobs: Iterable[Job] | None = None) -> History:
    """They are counted first: an event that comes between may be shown too early, but never be missed.

    `jobs` are the dataset's, where they have been read already.
    """
    events = of(owner)
    total = events.count()
    return History(owner, named(owner, events[:EVENTS_SHOWN], jobs), total)


def totals(owners: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many events there are of each of these datasets and jobs."""
    if not owners:
        return {}
    of_datasets = Event.objects.filter(dataset__in=owners).order_by().values_list("dataset").annotate(Count("pk"))
    of_jobs = Event.objects.filter(job_id__in=owners).order_by().values_list("job_id").annotate(Count("pk"))
    return dict(of_datasets) | dict(of_jobs)


def of(owner: Dataset | Job) -> QuerySet[Event]:
    """All events of a dataset with its jobs, or of one job."""
    events = Event.objects.select_related("actor")
    return events.filter(dataset=owner) if isinstance(owner, Dataset) else events.filter(job_id=owner.pk)


def named(owner: Dataset | Job, events: Iterable[Event], jobs: Iterable[Job] | None = None) -> list[Event]:
    """Where events of several jobs stand together, each says of which one it is."""
    found = list(events)
    if isinstance(owner, Dataset):
        if jobs is None:
            jobs = owner.jobs()
        names = {job.pk: job.label for job in jobs}
        for event in found:
            event.about = names.get(event.job_id, "") if event.job_id and event.kind in OF_SOME_JOB else ""
    return found
