"""Claims: which slot works on which shard, under a fencing token, for as long as it reports.

A claim, a report, a publication and a release are one UPDATE each that names the token: whoever lost the lease
changes nothing. All times are the database's.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.aggregates import Count, Max
from django.db.models.functions import Coalesce, Now

from datasets_app import live
from datasets_app.jobs import HOLD, Job, Status, from_now
from datasets_app.models import Worker
from datasets_app.shards import CHILD_DEATHS_ALLOWED, LEASE, Shard

# Two slots may want the same shard: look again rather than go away.
TRIES = 20
CANDIDATES = 8
# A running job that nobody has been at for so long has stood still; what is shorter is a worker that starts again.
STANDSTILL = timedelta(minutes=1)
# Afterwards `lease_until` says when the shard was last heard of.
UNLEASED: dict[str, Any] = {"lease_token": None, "lease_until": F("lease_until") - LEASE}


@dataclass(frozen=True, slots=True)
class Claim:
    job: Job
    shard: Shard
    token: uuid.UUID

    @property
    def stem(self) -> str:
        """The name of every file of this attempt; it carries the token, so that the keeper can tell whose it is."""
        return f"{self.shard.index:05d}-{self.token.hex}"

    def report(self, **figures: Any) -> bool:
        """Write the counts, renew the lease, and hear about a cancel, all in one. False: stop."""
        running = type(self.job).objects.visible().filter(pk=OuterRef("job_id"), status=Status.RUNNING)
        mine = self._mine().filter(Exists(running))
        written = mine.update(version=F("version") + 1, lease_until=from_now(LEASE), **figures)
        if written:
            live.hint(self.job.dataset_id)
        return bool(written)

    def finish(self, files: list[dict[str, Any]], **figures: Any) -> bool:
        """The shard's files are published: record them. False: somebody else has the shard, remove the files."""
        done = {"state": Shard.State.DONE, **UNLEASED, "deaths": 0}
        rates = {"bytes_per_second": None, "tokens_per_second": None}
        with transaction.atomic():
            self.job.lock_dataset()  # of slots that finish at once each counts the shards of the others
            written = self._mine().update(version=F("version") + 1, files=files, **done, **rates, **figures)
            if written:
                self.job.pass_checkpoint()
                live.hint(self.job.dataset_id)
        return bool(written)

    def release(self, why: str, *, child_died: bool = False) -> None:
        """Give the shard back to be done from its start; three deaths of the child fail the job.

        Without a `why` it is not news: the job itself was stopped.
        """
        give_back(self.job, self._mine(), self.shard, why, deaths=int(child_died))

    def _mine(self) -> Any:
        return type(self.shard).objects.filter(pk=self.shard.pk, lease_token=self.token)


def give_back(job: Job, mine: Any, shard: Shard, why: str, *, deaths: int) -> None:
    waiting: dict[str, Any] = {"state": Shard.State.WAITING, **UNLEASED, "files": []}
    with transaction.atomic():
        job.lock_dataset()
        job.raise_mark()
        changes = {"version": F("version") + 1, "deaths": F("deaths") + deaths}
        if not mine.update(**waiting, **changes, **shard.at_its_start()):
            return
        live.hint(job.dataset_id)
        name = job.name_of(shard)
        if why:
            job.tell("shard", f"{name} starts again: {why}.", redraw=False)
    if shard.deaths + deaths >= CHILD_DEATHS_ALLOWED:
        job.fail(f"{name} stopped {CHILD_DEATHS_ALLOWED} times: the last time it {why}.", job.advice_on_deaths)


def claim(model: type[Job], worker: str, held: tuple[Job, uuid.UUID] | None = None) -> Claim | None:
    """Some waiting shard, fairly between jobs: the fewest running shards first, then the oldest job."""
    for _ in range(TRIES):
        taken, is_exhausted = _try_claim(model, worker, held)
        if taken or is_exhausted:
            return taken
    return None


def _try_claim(model: type[Job], worker: str, held: tuple[Job, uuid.UUID] | None) -> tuple[Claim | None, bool]:
    shards = model.shard_model().objects
    of_job = shards.filter(job=OuterRef("pk")).order_by()
    running = of_job.filter(state=Shard.State.RUNNING).values("job").annotate(n=Count("pk")).values("n")
    jobs = (
        _workable(model, held)
        .filter(Exists(of_job.filter(state=Shard.State.WAITING)))
        .annotate(shards_running=Coalesce(Subquery(running), 0))
        .order_by("shards_running", "created_at", "pk")
    )
    job = jobs.select_related("dataset").first()
    if job is None:
        return None, True
    for shard in shards.filter(job=job, state=Shard.State.WAITING).order_by("index")[:CANDIDATES]:
        if taken := _take(job, shard, worker):
            return taken, False
    return None, False


def _workable(model: type[Job], held: tuple[Job, uuid.UUID] | None) -> Any:
    if held is None:
        return model.objects.claimable()
    job, token = held
    return model.objects.visible().filter(pk=job.pk, hold_token=token, status__in=(Status.QUEUED, Status.RUNNING))


def _take(job: Job, shard: Shard, worker: str) -> Claim | None:
    leave_out_standstill(job)
    token = uuid.uuid4()
    free = job.shard_model().objects.filter(pk=shard.pk, state=Shard.State.WAITING)
    lease = {"state": Shard.State.RUNNING, "lease_token": token, "lease_until": from_now(LEASE), "worker": worker}
    if not free.update(version=F("version") + 1, attempts=F("attempts") + 1, **lease):
        return None
    taken = Claim(job, shard, token)
    live.hint(job.dataset_id)
    if job.status == Status.QUEUED:
        job.start()  # another slot may have; what counts is where the job is now
        job.refresh_from_db()
    if job.status != Status.RUNNING:
        taken._mine().update(state=Shard.State.WAITING, **UNLEASED, version=F("version") + 1)
        live.hint(job.dataset_id)
        return None
    return taken


def to_finalize(model: type[Job], held: tuple[Job, uuid.UUID] | None = None) -> tuple[Job, uuid.UUID] | None:
    """A job whose shards are all done, with the right to finalize it."""
    undone = model.shard_model().objects.filter(job=OuterRef("pk")).exclude(state=Shard.State.DONE)
    free = Q(finalize_until=None) | Q(finalize_until__lt=Now())
    for job in _workable(model, held).filter(free).exclude(Exists(undone)).select_related("dataset"):
        if job.status == Status.QUEUED and not job.start():
            continue
        leave_out_standstill(job)
        if token := job.take_finalization():
            return job, token
    return None


def leave_out_standstill(job: Job) -> None:
    """Work on a running job goes on: time in which no worker was there does not count as time that it took.

    Before the lease or the right to finalize is taken. Its clock goes on from when it was last heard of, once however
    many slots come back at the same moment.
    """
    jobs = type(job).objects.filter(pk=job.pk, status=Status.RUNNING).exclude(running_since=None)
    clock = jobs.annotate(now=Now()).values_list("now", "running_since", "finalize_until").first()
    if clock is None:
        return
    now, began, finalize_until = clock
    leased_until, left_at = _last_leases(job)
    if any(until and until >= now for until in (leased_until, finalize_until)):
        return
    heard = began, left_at, leased_until and leased_until - LEASE, finalize_until and finalize_until - HOLD
    heard_at = max(moment for moment in heard if moment)
    if now - heard_at > STANDSTILL and not Worker.objects.there_since(heard_at, job.queue):
        spent = F("active_time") + (heard_at - began)
        jobs.filter(running_since__lte=began).update(active_time=spent, running_since=Now(), version=F("version") + 1)


def _last_leases(job: Job) -> tuple[Any, Any]:
    """Until when a running shard is leased, and when one that does not run any more was last heard of."""
    running = Q(state=Shard.State.RUNNING)
    leases = job.shards.aggregate(held=Max("lease_until", filter=running), left=Max("lease_until", filter=~running))
    return leases["held"], leases["left"]


def expire(model: type[Job]) -> int:
    """Give back the shards whose slot has fallen silent. Returns how many there were."""
    expired = list(model.shard_model().objects.expired().select_related("job__dataset"))
    for shard in expired:
        mine = type(shard).objects.expired().filter(pk=shard.pk, lease_token=shard.lease_token)
        give_back(shard.job, mine, shard, f"its worker {shard.worker} fell silent", deaths=0)
    return len(expired)
