"""What an import and a tokenization share: statuses, the one table of moves, and the abstract Job.

Nobody assigns `.status`: `Job.move` is a compare-and-swap in one transaction with its event, and the row is the lock.
"""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Case, Count, Exists, ExpressionWrapper, F, OuterRef, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from datasets_app import counts, live, wakeups
from datasets_app.errors import Cancelled, JobError
from datasets_app.fields import MaskedTextField
from datasets_app.shards import Shard
from datasets_app.templatetags.figures import clock

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from datasets_app.models import Dataset

# Of a --here process's hold on its job, and of the right to finalize.
HOLD = timedelta(seconds=20)
# Of a job that has not ended.
ALMOST = 99.9
# A checkpoint is told when another tenth of the shards is done.
CHECKPOINTS = 10


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


MOVES: dict[Status, set[Status]] = {
    Status.QUEUED: {Status.RUNNING, Status.PAUSED, Status.CANCELLED, Status.FAILED},
    Status.RUNNING: {Status.READY, Status.PAUSED, Status.CANCELLED, Status.FAILED},
    Status.PAUSED: {Status.QUEUED, Status.CANCELLED},
    Status.FAILED: {Status.QUEUED},
    Status.CANCELLED: {Status.QUEUED},
}
UNFINISHED = (Status.QUEUED, Status.RUNNING, Status.PAUSED)
ENDED = (Status.READY, Status.FAILED, Status.CANCELLED)
RETRIABLE = (Status.FAILED, Status.CANCELLED)
# Of what is unfinished the most urgent first, as a card shows it.
URGENCY = (Status.RUNNING, Status.PAUSED, Status.QUEUED)


class Stage(models.TextChoices):
    """In the order in which a job goes through them; the words are shown as they are."""

    QUEUED = "Queued"
    DOWNLOADING = "Downloading"
    LOADING_TOKENIZER = "Loading Tokenizer"
    LOADING_DATASET = "Loading Dataset"
    ANALYZING_SCHEMA = "Analyzing Schema"
    READING = "Reading"
    TRAINING = "Training Tokenizers"
    TOKENIZING = "Tokenizing"
    SAVING = "Saving"
    COMPLETE = "Complete"


NOT_ENDED: dict[str, Any] = {"ended_at": None, "failure": "", "advice": ""}
STAGE_ORDER = [stage.value for stage in Stage]


def time_spent() -> "ExpressionWrapper[Any]":
    """How long a running job has been running, pauses apart, by the database's clock."""
    return ExpressionWrapper(F("active_time") + (Now() - F("running_since")), output_field=models.DurationField())


def from_now(span: timedelta) -> "ExpressionWrapper[Any]":
    """A moment by the database's clock, the only one that leases are measured with."""
    return ExpressionWrapper(Now() + Value(span), output_field=models.DateTimeField())


class JobQuerySet(models.QuerySet[Any]):
    _is_counted = False

    def visible(self) -> Self:
        """Deleting a dataset marks its jobs too, so that no UPDATE has to look through a join.

        PostgreSQL would check only the key again after waiting for a lock, and not the rest of the condition.
        """
        return self.filter(delete_requested_at=None)

    def unfinished(self) -> Self:
        return self.filter(status__in=UNFINISHED)

    def move(self, to: Status, **fields: Any) -> bool:
        """Compare and swap: False if no row was in a status that may become `to`."""
        sources = [status for status, targets in MOVES.items() if to in targets]
        spent = Case(When(running_since__isnull=False, then=time_spent()), default=F("active_time"))
        fields["active_time"] = spent
        fields["running_since"] = Now() if to is Status.RUNNING else None
        fields["version"] = F("version") + 1
        if to is not Status.RUNNING:
            fields |= {"finalize_token": None, "finalize_until": None}
        if to in ENDED:
            fields |= {"hold_token": None, "held_until": None}
        return self.filter(status__in=sources, delete_requested_at=None).update(status=to, **fields) > 0

    def claimable(self) -> Self:
        """Jobs that any worker may work on: not held by a process of their own."""
        free = Q(held_until=None) | Q(held_until__lt=Now())
        return self.visible().filter(free, status__in=(Status.QUEUED, Status.RUNNING))

    def busy(self) -> Self:
        """Jobs that some slot may still write files of: a shard is leased, or the last step is under way."""
        leased = self.model.shard_model().objects.leased().filter(job=OuterRef("pk"))
        return self.filter(Exists(leased) | Q(finalize_until__gte=Now()))

    def with_counts(self) -> Self:
        """Each job comes with the sums over its shards, as `counts` names them.

        They are read before the jobs: a job's mark is raised before the counts fall, so that percent cannot.
        """
        counted = self.all()
        counted._is_counted = True
        return counted

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._is_counted = self._is_counted
        return clone

    def _fetch_all(self) -> None:
        if not self._is_counted or self._result_cache is not None:
            return super()._fetch_all()
        found = counts.by_job(self.model.shard_model().objects.filter(job__in=self.values("pk")))
        super()._fetch_all()
        return counts.attach(list(self), found)


class Job(models.Model):
    """A piece of work in shards. Concrete: an import (a shard per file) and a tokenization."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    stage = models.CharField(max_length=20, choices=Stage, default=Stage.QUEUED)
    # None while it is queued for the first time, and for what was made by an earlier version.
    stage_since = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=1)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    running_since = models.DateTimeField(null=True, blank=True)
    active_time = models.DurationField(default=timedelta)
    rows_total = models.PositiveBigIntegerField(null=True, blank=True)
    bytes_total = models.PositiveBigIntegerField(default=0)
    # The most that the sum over the shards has been: percent never falls, counts may.
    bytes_mark = models.PositiveBigIntegerField(default=0)
    failure = MaskedTextField(blank=True)
    advice = MaskedTextField(blank=True)
    # A process that runs the job by itself (--here) holds it; others wait until the hold has run out.
    hold_token = models.UUIDField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    finalize_token = models.UUIDField(null=True, blank=True)
    finalize_until = models.DateTimeField(null=True, blank=True)
    delete_requested_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    kind: ClassVar[str]
    queue: ClassVar[str]
    actor: ClassVar[str]
    noun: ClassVar[str]
    # What one shard of it is called.
    piece: ClassVar[str] = "shard"
    # What somebody else asks it to wait for, and until when; only a download has such.
    waits_for: Any = ""
    waits_until: Any = None
    # Else it brings data in, and its figures are of files and bytes.
    counts_tokens: ClassVar[bool] = False

    if TYPE_CHECKING:
        dataset: "models.ForeignKey[Dataset, Dataset]"
        dataset_id: uuid.UUID
        shards: Any
        advice_on_deaths: ClassVar[str]
        total_bytes_done: int
        total_processed: int
        total_errored: int

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in Status]), name="%(app_label)s_%(class)s_status"
            ),
            models.CheckConstraint(
                condition=Q(bytes_mark__lte=F("bytes_total")), name="%(app_label)s_%(class)s_mark_within_total"
            ),
        ]
        indexes = [models.Index(fields=["status", "created_at"], name="%(class)s_by_status")]

    @classmethod
    def shard_model(cls) -> Any:
        return cls._meta.get_field("shards").related_model

    @property
    def label(self) -> str:
        """How sentences name it."""
        raise NotImplementedError

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_retriable(self) -> bool:
        return self.status in RETRIABLE

    @property
    def has_choices(self) -> bool:
        """Which may be changed for a retry, on a page of its own."""
        return False

    @property
    def elapsed(self) -> timedelta:
        running = timezone.now() - self.running_since if self.running_since else timedelta()
        return self.active_time + max(running, timedelta())

    # Moves, each with its event

    def move(self, to: Status, said: str, actor: "User | None" = None, **fields: Any) -> bool:
        """One compare-and-swap with its event and its hint. False: it lost a race, and nothing was changed."""
        with transaction.atomic():
            self.lock_dataset()
            if not type(self).objects.filter(pk=self.pk).move(to, **fields):
                return False
            self.tell(to.value, said, actor)
        self.refresh_from_db()
        return True

    def lock_dataset(self) -> None:
        """Who changes a dataset and one of its jobs together locks the dataset first, or two of them deadlock."""
        datasets: Any = type(self.dataset).objects
        datasets.select_for_update(no_key=True).filter(pk=self.dataset_id).values_list("pk").first()

    def start(self) -> bool:
        fields: dict[str, Any] = {
            "started_at": Coalesce("started_at", Now()),
            "ended_at": None,
            "failure": "",
            "advice": "",
        }
        return self.move(Status.RUNNING, f"{self.label} started.", **fields)

    def cancel(self, actor: "User | None") -> bool:
        said = f"{self.label} cancelled{self._after_stage()}."
        return self.move(Status.CANCELLED, said, actor, ended_at=Now(), ended_by=actor)

    def pause(self, actor: "User | None") -> bool:
        return self.move(Status.PAUSED, f"{self.label} paused{self._after_stage()}.", actor, ended_by=actor)

    def fail(self, failure: str, advice: str = "", actor: "User | None" = None) -> bool:
        fields = {"ended_at": Now(), "ended_by": actor, "failure": failure, "advice": advice}
        return self.move(Status.FAILED, f"{failure} {advice}".strip(), actor, **fields)

    def requeue(self, actor: "User | None", **fields: Any) -> bool:
        """Resume or retry: the finished shards stay, the deaths of the others are forgiven.

        `fields` are changed with it. A hold may be among them: then nobody else is woken.
        """
        with transaction.atomic():
            begun_anew: dict[str, Any] = {
                "ended_at": None,
                "ended_by": None,
                "failure": "",
                "advice": "",
                "stage": Stage.QUEUED,
                "stage_since": Now(),
            }
            self.lock_dataset()
            said = f"{self.label} {self._goes_on()}."
            if not self.move(Status.QUEUED, said, actor, **begun_anew, **fields):
                return False
            self.shards.exclude(state=Shard.State.DONE).update(deaths=0)
        if not fields.get("hold_token"):
            self.wake()
        return True

    def complete(self, said: str, **fields: Any) -> bool:
        done: dict[str, Any] = {"bytes_mark": F("bytes_total"), "stage": Stage.COMPLETE, "stage_since": Now()}
        said = f"{said.removesuffix('.')}{self._after_stage()}."
        return self.move(Status.READY, said, ended_at=Now(), **done, **fields)

    def _goes_on(self) -> str:
        """How an event tells a resume from a retry. Where the dataset is locked."""
        if type(self).objects.filter(pk=self.pk, status=Status.PAUSED).exists():
            return "resumed"
        done, total = self._shards_done()
        return f"queued again: {done:,} of {total:,} {self.piece}s are kept" if done else "queued again"

    # Stages and checkpoints

    def reach(self, stage: Stage) -> None:
        """Stages only go forward while a job runs, whichever slot says so first."""
        earlier = STAGE_ORDER[: STAGE_ORDER.index(stage)]
        if self.stage not in earlier:
            return
        with transaction.atomic():
            self.lock_dataset()
            mine = type(self).objects.filter(pk=self.pk, status=Status.RUNNING, stage__in=earlier)
            said = f"{stage.value} started{self._after_stage()}."
            if mine.update(stage=stage, stage_since=Now(), version=F("version") + 1):
                self.stage = stage
                self.tell("stage", said, redraw=False)

    def _after_stage(self) -> str:
        """What an event that ends a stage says of it; nothing where none ends, or nobody knows when it began."""
        queued_since = Case(When(stage=Stage.QUEUED, then=F("created_at")))
        lasted = ExpressionWrapper(
            Now() - Coalesce("stage_since", queued_since), output_field=models.DurationField(null=True)
        )
        running = type(self).objects.filter(pk=self.pk, status=Status.RUNNING).annotate(lasted=lasted)
        stage, span = running.values_list("stage", "lasted").first() or ("", None)
        if span is None:
            return ""
        where = "in the queue" if stage == Stage.QUEUED else f"of {stage}"
        return f", after {clock(max(span.total_seconds(), 0))} {where}"

    def pass_checkpoint(self) -> None:
        """Tell of every tenth of the shards once. After a shard is done, while the dataset is still locked."""
        done, total = self._shards_done()
        if CHECKPOINTS * done // total == CHECKPOINTS * (done - 1) // total:
            return
        if done == total:
            self.tell("checkpoint", f"Checkpoint: all {self.piece}s saved.", redraw=False)
            return
        self.refresh_from_db(fields=["bytes_mark"])
        share = self.percent(self._bytes_done())
        self.tell("checkpoint", f"Checkpoint: {done:,} of {total:,} {self.piece}s saved, {share:.1f}%.", redraw=False)

    def percent(self, bytes_done: int) -> float:
        """By bytes; never falls, and only a finished job has 100."""
        if self.status == Status.READY:
            return 100.0
        done = max(self.bytes_mark, bytes_done)
        return min(100 * done / self.bytes_total, ALMOST) if self.bytes_total else 0.0

    def name_of(self, shard: Shard) -> str:
        """With which it is, of how many, and what it covers."""
        return f"{self.piece.capitalize()} {shard.index + 1:,} of {self.shards.count():,} ({shard.where})"

    def _shards_done(self) -> tuple[int, int]:
        done = Count("pk", filter=Q(state=Shard.State.DONE))
        counted = self.shards.aggregate(done=done, total=Count("pk"))
        return counted["done"], counted["total"]

    def _bytes_done(self) -> int:
        return int(self.shards.aggregate(done=Coalesce(Sum("bytes_done"), 0))["done"])

    def tell(self, kind: str, text: str, actor: "User | None" = None, *, redraw: bool = True) -> None:
        """Record an event; `redraw` when the card's frame and buttons change with it. Inside a transaction."""
        self.dataset.events.create(job_id=self.pk, kind=kind, text=text, actor=actor)
        if redraw:
            self.dataset.touch()
        live.hint(self.dataset_id)

    # Work

    def wake(self) -> None:
        from datasets_app.models import Worker  # models import this module

        wakeups.wake(self.queue, self.actor, Worker.objects.slots(self.queue) or 1)

    def raise_mark(self) -> None:
        """Keep percent where it is before a shard's counts fall."""
        done = min(self._bytes_done(), self.bytes_total)
        type(self).objects.filter(pk=self.pk).update(bytes_mark=Greatest(F("bytes_mark"), done))

    def hold(self) -> uuid.UUID | None:
        """Take the job for this process alone, or None if another one has it."""
        token = uuid.uuid4()
        claimable = type(self).objects.filter(pk=self.pk).claimable()
        return token if claimable.update(hold_token=token, held_until=from_now(HOLD)) else None

    def keep_hold(self, token: uuid.UUID, span: timedelta = HOLD) -> bool:
        mine = type(self).objects.filter(pk=self.pk, hold_token=token)
        return mine.update(held_until=from_now(span)) > 0

    def take_finalization(self) -> uuid.UUID | None:
        """Win the right to finalize: every shard is done and nobody else is at it."""
        token = uuid.uuid4()
        free = Q(finalize_until=None) | Q(finalize_until__lt=Now())
        jobs = type(self).objects.filter(free, pk=self.pk, status=Status.RUNNING)
        undone = self.shards.exclude(state=Shard.State.DONE).exists()
        won = not undone and jobs.update(finalize_token=token, finalize_until=from_now(HOLD))
        return token if won else None

    def keep_finalization(self, token: uuid.UUID) -> None:
        mine = type(self).objects.visible().filter(pk=self.pk, status=Status.RUNNING, finalize_token=token)
        if not mine.update(finalize_until=from_now(HOLD)):
            raise Cancelled

    def check_errored(self, share: float) -> None:
        """Fail a job of which too many rows were refused."""
        errored = self.shards.aggregate(errored=Coalesce(Sum("errored"), 0))["errored"]
        if self.rows_total and errored > share * self.rows_total:
            rows = "1 row" if errored == 1 else f"{errored:,} rows"
            raise JobError(
                f"{rows} could not be encoded, more than {share:.1%} of {self.rows_total:,}.",
                "The ledger of each shard names the rows. Mend them, or raise TOKENYARD_ERRORED_SHARE; if they are "
                f"too_long, over {settings.REFERENCE_ROW_BYTES >> 20} MiB, raise TOKENYARD_REFERENCE_ROW_MB.",
            )


def models_of_jobs() -> list[type[Job]]:
    return [model for model in apps.get_models() if issubclass(model, Job)]


def find(job_id: str | uuid.UUID) -> Job:
    """The job of this id, of whatever kind. JobError if there is none."""
    for model in models_of_jobs():
        try:
            job: Job | None = model.objects.visible().filter(pk=job_id).first()
        except ValidationError:
            break
        if job is not None:
            return job
    raise JobError(f"There is no job {job_id}.", "See the ids with list_tokenizations or list_datasets.")
