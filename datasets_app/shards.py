"""The abstract Shard: a job is worked off in shards, each claimed by one slot under a lease."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from datasets_app.jobs import Job

LEASE = timedelta(seconds=15)
CHILD_DEATHS_ALLOWED = 3


class ShardQuerySet(models.QuerySet[Any]):
    def expired(self) -> Self:
        return self.filter(state=Shard.State.RUNNING, lease_until__lt=Now())

    def leased(self) -> Self:
        return self.filter(state=Shard.State.RUNNING, lease_until__gte=Now())


class Shard(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"

    index = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    version = models.PositiveBigIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
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
        "filtered_empty": 0,
        "filtered_junk": 0,
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
                condition=Q(filtered=F("filtered_empty") + F("filtered_junk")),
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

    @property
    def where(self) -> str:
        """What the shard covers, in words: its split and rows, or its file."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Put before a sentence that does not say itself where it happened."""
        return ""
