"""What depends on all jobs at once: the running ones in the header, the place of each in the queue, who has news.

Its elements have no counter of their own: their version is the moment of reading, by the database's clock, and a digest
says whether there is anything new in them.
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Case, JSONField, When
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone

from datasets_app import cards
from datasets_app.jobs import ENDED, Job, Status, from_now, models_of_jobs
from datasets_app.models import Dataset, Worker
from datasets_app.progress import Progress

# A worker that has only just started says so within this time.
TAKEN_WITHIN = timedelta(seconds=6)
# Who comes back within this time still hears of what ended meanwhile.
ENDED_WITHIN = timedelta(minutes=10)
ENDINGS = 5
ENDINGS_READ = 200
RUNNING_LISTED = 20
DIGEST_DIGITS = 12
MILLISECONDS = 1000
COMMON = ("datasets/_running.html", "datasets/_workers.html", "datasets/_totals.html")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job that any worker may work on stands in the queue, and whether anybody is there to do so."""

    job_id: uuid.UUID
    dataset_id: uuid.UUID
    status: str
    queue: str
    number: int | None  # among the queued ones, from 1; a running job has none
    slots: int
    is_late: bool

    @property
    def is_stalled(self) -> bool:
        return self.is_late and not self.slots

    @property
    def digest(self) -> str:
        return f"{self.number}.{self.slots}.{self.is_stalled:d}"


@dataclass(frozen=True)
class Overview:
    version: int
    running: list[Progress]
    places: dict[uuid.UUID, Place]
    endings: list[Job]
    datasets: int
    tokenizations: int

    @property
    def stalled(self) -> int:
        """How many jobs wait for a kind of worker of which none is running."""
        return sum(place.is_stalled for place in self.places.values())

    @property
    def waiting(self) -> int:
        return sum(place.number is not None for place in self.places.values())

    @property
    def listed(self) -> list[Progress]:
        return self.running[:RUNNING_LISTED]

    @property
    def unlisted(self) -> int:
        return len(self.running) - len(self.listed)

    @property
    def percent(self) -> float:
        total = sum(progress.job.bytes_total for progress in self.running)
        done = sum(progress.percent / 100 * progress.job.bytes_total for progress in self.running)
        return 100 * done / total if total else 0.0

    @property
    def remaining_seconds(self) -> float | None:
        """Of the one that takes longest, among those that can tell."""
        return max((time for each in self.running if (time := each.remaining_seconds) is not None), default=None)

    @property
    def frame_digest(self) -> str:
        """Changes with what the header lists, and not with its figures."""
        return digest(self.waiting, *(progress.job.pk for progress in self.running))

    @property
    def figures_digest(self) -> str:
        return digest(*(progress.version for progress in self.running))

    def digest_for(self, user_id: int | None) -> str:
        """Changes with anything that this person would see of it."""
        places = (f"{place.job_id}.{place.status}.{place.digest}" for place in self.places.values())
        totals = self.stalled, self.datasets, self.tokenizations
        news = (f"{job.pk}.{job.ended_at}" for job in self.news_for(user_id))
        return digest(self.frame_digest, self.figures_digest, *totals, *places, *news)

    @cached_property
    def common(self) -> str:
        """The elements that are the same on every screen."""
        return "\n".join(render_to_string(template, {"overview": self}) for template in COMMON)

    def notes(self, datasets: set[uuid.UUID]) -> str:
        """The places of what is queued or runs on these datasets."""
        return "\n".join(
            render_to_string("datasets/_place.html", {"overview": self, "place": place})
            for place in self.places.values()
            if place.dataset_id in datasets
        )

    def news_for(self, user_id: int | None) -> list[Job]:
        """This person's jobs that ended lately, other than by their own hand."""
        return self._news.get(user_id, [])[:ENDINGS]

    @cached_property
    def _news(self) -> dict[int | None, list[Job]]:
        news: dict[int | None, list[Job]] = {}
        for job in self.endings:
            if job.created_by_id != job.ended_by_id:
                news.setdefault(job.created_by_id, []).append(job)
        return news

    def news(self, user_id: int | None) -> str:
        jobs = self.news_for(user_id)
        return render_to_string(
            "datasets/_news.html", {"overview": self, "jobs": jobs, "digest": digest(*(j.pk for j in jobs))}
        )


def read() -> Overview:
    slots = Worker.objects.slots_by_queue()
    return Overview(
        version=_database_milliseconds(),
        running=cards.load_running(),
        places={
            place.job_id: place for model in models_of_jobs() for place in _places(model, slots.get(model.queue, 0))
        },
        endings=[job for model in models_of_jobs() for job in _endings(model)],
        datasets=Dataset.objects.visible().count(),
        tokenizations=sum(
            model._default_manager.visible().count() for model in models_of_jobs() if model.kind == "tokenization"
        ),
    )


def _database_milliseconds() -> int:
    users: Any = get_user_model()._default_manager
    now = users.annotate(now=Now()).values_list("now", flat=True).first() or timezone.now()
    return int(now.timestamp() * MILLISECONDS)


def _places(model: type[Job], slots: int) -> list[Place]:
    """In the order in which they start when a slot is free. What a process holds for itself waits for nobody."""
    is_late = Case(When(created_at__lt=from_now(-TAKEN_WITHIN), then=True), default=False)
    jobs = model.objects.claimable().annotate(is_late=is_late).order_by("created_at", "pk")
    places: list[Place] = []
    queued = 0
    for pk, dataset, status, late in jobs.values_list("pk", "dataset_id", "status", "is_late"):
        queued += status == Status.QUEUED
        number = queued if status == Status.QUEUED else None
        places.append(Place(pk, dataset, status, model.queue, number, slots, late))
    return places


def _endings(model: type[Job]) -> list[Job]:
    ended = model.objects.visible().filter(status__in=ENDED, ended_at__gte=from_now(-ENDED_WITHIN))
    heavy = [field.name for field in model._meta.fields if isinstance(field, JSONField)]
    related = ["dataset", "tokenizer"] if model.kind == "tokenization" else ["dataset"]
    newest = ended.exclude(created_by=None).select_related(*related).defer(*heavy).order_by("-ended_at")
    return list(newest[:ENDINGS_READ])


def digest(*words: object) -> str:
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()[:DIGEST_DIGITS]
