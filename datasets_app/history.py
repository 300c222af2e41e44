"""What happened to a dataset or to one of its jobs, newest first."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
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


def load(owner: Dataset | Job) -> History:
    """They are counted first: an event that comes between may be shown too early, but never be missed."""
    events = of(owner)
    total = events.count()
    return History(owner, named(owner, events[:EVENTS_SHOWN]), total)


def of(owner: Dataset | Job) -> QuerySet[Event]:
    """All events of a dataset with its jobs, or of one job."""
    events = Event.objects.select_related("actor")
    return events.filter(dataset=owner) if isinstance(owner, Dataset) else events.filter(job_id=owner.pk)


def named(owner: Dataset | Job, events: Iterable[Event]) -> list[Event]:
    """Where events of several jobs stand together, each says of which one it is."""
    found = list(events)
    if isinstance(owner, Dataset):
        jobs = [owner.import_job, *owner.tokenizations.select_related("tokenizer")]
        names = {job.pk: job.label for job in jobs}
        for event in found:
            event.about = names.get(event.job_id) or "" if event.kind in OF_SOME_JOB else ""
    return found
