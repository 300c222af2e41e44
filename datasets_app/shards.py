"""The abstract Shard: a job is worked off in shards, each claimed by one slot under a lease."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from datasets_app.jobs import Job

LEASE = timedelta(seconds=15)
CHILD_DEATHS_ALLOWED = 3


# Why a row may be left out, as a child says it, and the fields that count them.
REASONS = ("empty", "junk", "too_short", "too_few_tokens", "too_many_tokens")
FILTERED = tuple(f"filtered_{reason}" for reason in REASONS)


class ShardQuerySet(models.QuerySet[Any]):
    def expired(self) -> Self:
        return self.filter(state=Shard.State.RUNNING, lease_until__lt=Now())

    def leased(self) -> Self:
        return self.filter(state=Shard.State.RUNNING, lease_until__gte=Now())

    def slowest(self, jobs: Iterable[uuid.UUID]) -> dict[uuid.UUID, Any]:
        """Of each of these jobs the running shard with the most time left, by its own rate or else by the others'."""
        running: dict[uuid.UUID, list[Any]] = {}
        for shard in self.filter(job__in=list(jobs), state=Shard.State.RUNNING).defer("files").order_by("index"):
            running.setdefault(shard.job_id, []).append(shard)
        return {job: slowest_of(shards) for job, shards in running.items()}


class Shard(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"

    index = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    version = models.PositiveBigIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    # Of a shard that is not running any more: when it was last heard of.
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    deaths = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)

    rows_total = models.PositiveBigIntegerField(null=True, blank=True)
    bytes_total = models.PositiveBigIntegerField(default=0)
    bytes_done = models.PositiveBigIntegerField(default=0)
    processed = models.PositiveBigIntegerField(default=0)
    kept = models.PositiveBigIntegerField(default=0)
    filtered = models.PositiveBigIntegerField(default=0)
    filtered_empty = models.PositiveBigIntegerField(default=0)
    filtered_junk = models.PositiveBigIntegerField(default=0)
    filtered_too_short = models.PositiveBigIntegerField(default=0)
    filtered_too_few_tokens = models.PositiveBigIntegerField(default=0)
    filtered_too_many_tokens = models.PositiveBigIntegerField(default=0)
    errored = models.PositiveBigIntegerField(default=0)
    tokens_processed = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    sequences = models.PositiveBigIntegerField(default=0)
    bytes_per_second = models.FloatField(null=True, blank=True)
    tokens_per_second = models.FloatField(null=True, blank=True)
    # What a finished shard left in staging: [{"role", "name", "bytes", "sha256", ...}]
    files = models.JSONField(default=list, blank=True)

    objects = ShardQuerySet.as_manager()

    # What falls back to nothing when a shard starts again.
    NOTHING_DONE: ClassVar[dict[str, Any]] = {
        "bytes_done": 0,
        "processed": 0,
        "kept": 0,
        "filtered": 0,
        **dict.fromkeys(FILTERED, 0),
        "errored": 0,
        "tokens_processed": 0,
        "tokens": 0,
        "sequences": 0,
        "bytes_per_second": None,
        "tokens_per_second": None,
    }

    if TYPE_CHECKING:
        job: models.ForeignKey[Job, Job]
        job_id: uuid.UUID

    class Meta:
        abstract = True
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["job", "index"], name="%(app_label)s_%(class)s_index"),
            models.CheckConstraint(
                condition=Q(processed=F("kept") + F("filtered") + F("errored")),
                name="%(app_label)s_%(class)s_each_row_once",
            ),
            models.CheckConstraint(
                condition=Q(filtered=reduce(add, map(F, FILTERED))),
                name="%(app_label)s_%(class)s_each_reason_once",
            ),
            models.CheckConstraint(
                condition=Q(rows_total=None) | Q(processed__lte=F("rows_total")),
                name="%(app_label)s_%(class)s_rows_within_total",
            ),
            models.CheckConstraint(
                condition=Q(bytes_done__lte=F("bytes_total")), name="%(app_label)s_%(class)s_bytes_within_total"
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease_token__isnull=False) | ~Q(state="running"),
                name="%(app_label)s_%(class)s_running_is_leased",
            ),
        ]
        indexes = [models.Index(fields=["job", "state"], name="%(class)s_by_state")]

    def at_its_start(self) -> dict[str, Any]:
        """Its counts when it is given back to be done again."""
        return dict(self.NOTHING_DONE)

    @property
    def title(self) -> str:
        """Its name where room is scarce."""
        raise NotImplementedError

    @property
    def bytes_left(self) -> int:
        return max(self.bytes_total - self.bytes_done, 0)

    @property
    def percent(self) -> float:
        return 100 * self.bytes_done / self.bytes_total if self.bytes_total else 0.0

    @property
    def where(self) -> str:
        """What the shard covers, in words: its split and rows, or its file."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Put before a sentence that does not say itself where it happened."""
        return ""


class FileShard(Shard):
    """One file, which has a `name`."""

    if TYPE_CHECKING:
        name: models.CharField[str, str]

    class Meta(Shard.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        return self.name

    @property
    def where(self) -> str:
        return self.name


def slowest_of(shards: list[Any]) -> Any:
    """In whole seconds, so that of two that are about as slow it stays the first."""
    rates = [shard.bytes_per_second for shard in shards if shard.bytes_per_second]
    usual = sum(rates) / len(rates) if rates else 1.0
    return max(shards, key=lambda shard: round(shard.bytes_left / (shard.bytes_per_second or usual)))
