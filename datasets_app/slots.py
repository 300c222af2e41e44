"""A slot: one thread and its watched child process, working off shards until none is left."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from datasets_app import leases, storage
from datasets_app.children import Child, ChildDied
from datasets_app.errors import Cancelled, JobError, disk_full_explained
from datasets_app.jobs import Job, Stage, Status
from datasets_app.leases import Claim
from datasets_app.rates import RateMeter
from datasets_app.samples import Sampler
from datasets_app.shards import FILTERED, LEASE, REASONS

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.5
POLL_SECONDS = 0.1
DATABASE_PAUSE_SECONDS = 0.5
FAULT = "A fault in Tokenyard itself stopped this job."
FAULT_ADVICE = "The worker's log has the details."
Held = tuple[Job, uuid.UUID]


class Work(Protocol):
    """What differs between importing and tokenizing."""

    model: type[Job]
    child_module: str

    def request(self, claim: Claim, out: Path) -> dict[str, Any]:
        """What the child is asked to do with the shard; its files go to `out`."""

    def learn(self, job: Job, message: dict[str, Any]) -> None:
        """Anything the child says besides stage, counts and done."""

    def home(self, job: Job) -> Path:
        """The job's folder on shared storage."""

    def finalize(self, job: Job, keep: "Keep") -> None:
        """All shards are done: publish the whole and complete the job. May be done again after a crash."""

    def withdraw(self, job: Job) -> None:
        """Undo what `finalize` made visible on disk, because the job was cancelled meanwhile."""


class Keep:
    """Renews the right to finalize, now and then; Cancelled when the job no longer runs."""

    def __init__(self, job: Job, token: uuid.UUID, child: Child) -> None:
        self._job, self._token, self._child, self._next = job, token, child, 0.0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the slot's child answers; the right is renewed meanwhile. JobError if the child dies."""
        done: dict[str, Any] = {}
        try:
            with closing(self._child.run(request, poll_seconds=POLL_SECONDS)) as messages:
                for message in messages:
                    self()
                    done = (message or {}).get("done", done)
        except ChildDied as death:
            raise JobError(f"The process that saved the result {death}.", "Retry it: what is done is kept.") from death
        return done

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._job.keep_finalization(self._token)
            self._next = time.monotonic() + REPORT_SECONDS


class Report:
    """The running figures of one shard, written at most twice a second."""

    def __init__(
        self, claim: Claim, meter: RateMeter, sampler: Sampler, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.claim, self.meter, self.sampler = claim, meter, sampler
        self.counts: dict[str, Any] = {}
        self._clock = clock
        self._next = 0.0
        self._renewed = clock()
        meter.begin_shard()

    def hear(self, counts: dict[str, Any], *, is_news: bool = True) -> None:
        """What was done by an earlier attempt is no news, and part of no rate."""
        before = self.counts.get("bytes_done", 0)
        self.counts = figures(counts, self.claim.shard.bytes_total)
        if self.counts["bytes_done"] < before:  # the child began anew
            self.claim.job.raise_mark()
            self.meter.begin_shard()
        if is_news:
            self.meter.sample(self.counts["bytes_done"], self.counts["tokens_processed"])
        else:
            self.meter.skip_to(self.counts["bytes_done"], self.counts["tokens_processed"])

    def send_if_due(self) -> None:
        """Raises Cancelled when the job no longer runs or the lease is lost."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + REPORT_SECONDS
        try:
            if not self._send():
                raise Cancelled
        except (OperationalError, InterfaceError) as error:
            self._outlast(error)
        else:
            self._renewed = now

    def _send(self) -> bool:
        """With the sample, whenever one is due, in one write; the version that the report raises covers it."""
        rates = {
            "bytes_per_second": self.meter.bytes_per_second,
            "tokens_per_second": self.meter.tokens_per_second,
        }
        with transaction.atomic():
            if self.meter.bytes_per_second is not None:
                self.sampler.sample_if_due()
            return self.claim.report(**self.counts, **rates)

    def _outlast(self, error: Exception) -> None:
        """The database may restart under a running shard: go on for as long as the lease would last."""
        connection.close()
        if self._clock() - self._renewed > LEASE.total_seconds():
            raise Cancelled from error
        logger.warning("The database did not take a report: %s", error)


class Slot:
    def __init__(self, work: Work) -> None:
        self.work = work
        self.name = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        self.child = Child(work.child_module, memory_limit_bytes=settings.CHILD_MEMORY_BYTES)
        self.meter = RateMeter()
        self.sampler: Sampler | None = None
        self._job_id: uuid.UUID | None = None

    def drain(self, held: Held | None = None) -> None:
        """Claim and work until nothing is left; harmless when there is nothing."""
        while self.work_once(held):
            pass

    def work_once(self, held: Held | None = None) -> bool:
        """One finalization, before the shards of others, or one shard. False: there was nothing to do."""
        try:
            if ending := leases.to_finalize(self.work.model, held):
                self.meter.rest()
                self._finalize(*ending)
            elif claim := leases.claim(self.work.model, self.name, held):
                self._work_off(claim)
            else:
                self.meter.rest()
                return False
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database is out of reach: %s", error)
            connection.close()
            time.sleep(DATABASE_PAUSE_SECONDS)
        return True

    def close(self) -> None:
        self.child.close()

    def _work_off(self, claim: Claim) -> None:
        out = storage.scratch_dir(claim.stem)
        try:
            with disk_full_explained():
                self._run(claim, out)
        except Cancelled:
            claim.release("")
        except ChildDied as death:
            claim.release(str(death), child_died=True)
        except JobError as error:
            claim.job.fail(f"{claim.shard.place}{error}", error.advice)
            claim.release("")
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            claim.job.fail(f"{FAULT} {claim.job.name_of(claim.shard)} was under way.", FAULT_ADVICE)
            claim.release("")
            raise
        except BaseException:  # the worker is told to stop
            claim.release("its worker was stopped")
            raise
        finally:
            storage.remove(out)

    def _run(self, claim: Claim, out: Path) -> None:
        report = self._report(claim)
        report.send_if_due()  # the job's rate is the sum of its slots' also just after a claim
        done: dict[str, Any] = {}
        with closing(self.child.run(self.work.request(claim, out), poll_seconds=POLL_SECONDS)) as messages:
            for message in messages:
                if message is not None:
                    self._hear(claim, message, report)
                    done = message.get("done", done)
                report.send_if_due()
        self._publish(claim, out, done, report)

    def _report(self, claim: Claim) -> Report:
        """Rates and samples go on from one shard of a job to the next."""
        if self.sampler is None or claim.job.pk != self._job_id:
            self.meter, self.sampler, self._job_id = RateMeter(), Sampler(claim.job), claim.job.pk
        return Report(claim, self.meter, self.sampler)

    def _hear(self, claim: Claim, message: dict[str, Any], report: Report) -> None:
        if "stage" in message:
            if message["stage"] != Stage.SAVING:  # of this shard; the job saves when all are done
                claim.job.reach(Stage(message["stage"]))
        elif "counts" in message:
            report.hear(message["counts"], is_news=not message.get("was_there"))
        elif "done" not in message:
            self.work.learn(claim.job, message)

    def _publish(self, claim: Claim, out: Path, done: dict[str, Any], report: Report) -> None:
        report.hear(done["counts"])
        staging = storage.staging_dir(self.work.home(claim.job))
        files = [*done.get("files", []), *done.get("parts", [])]
        for file in files:
            storage.publish(out / file["name"], staging / file["name"])
            report.send_if_due()  # it may have taken a while, to another file system
        final = report.counts | {"bytes_done": claim.shard.bytes_total}
        if not claim.finish(files, **final):
            for file in files:
                storage.remove(staging / file["name"])
            raise Cancelled
        claim.job.check_errored(settings.ERRORED_SHARE)

    def _finalize(self, job: Job, token: uuid.UUID) -> None:
        job.reach(Stage.SAVING)
        try:
            job.check_errored(settings.ERRORED_SHARE)  # once more: a job that failed for it may be tried again
            with disk_full_explained():
                self.work.finalize(job, Keep(job, token, self.child))
        except Cancelled:
            self._withdraw(job)
        except JobError as error:
            job.fail(str(error), error.advice)
            self._withdraw(job)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            job.fail(f"{FAULT} The result was being saved.", FAULT_ADVICE)
            self._withdraw(job)
            raise

    def _withdraw(self, job: Job) -> None:
        """Unless another slot finalizes, or has; a job that is gone or going has nothing to be withdrawn."""
        now = self.work.model.objects.filter(pk=job.pk).values_list("status", flat=True).first()
        if now not in (None, Status.RUNNING, Status.READY):
            self.work.withdraw(job)


def figures(counts: dict[str, Any], bytes_total: int) -> dict[str, Any]:
    """A child's counts as the fields of a shard."""
    reasons = counts.get("reasons", {})
    names = ("processed", "kept", "filtered", "errored", "tokens_processed", "tokens", "sequences")
    return {
        **{name: counts[name] for name in names},
        "bytes_done": min(counts["bytes"], bytes_total),
        **{field: reasons.get(reason, 0) for reason, field in zip(REASONS, FILTERED, strict=True)},
    }


_local = threading.local()


def slot_of_this_thread(work: type[Work]) -> Slot:
    """A worker thread keeps its slots, one for each kind of work, and their children, from one wake-up to the next."""
    if not hasattr(_local, "slots"):
        _local.slots = {}
    slots: dict[type[Work], Slot] = _local.slots
    if work not in slots:
        slots[work] = Slot(work())
    return slots[work]


def drain_in_turn(*works: type[Work]) -> None:
    """Work until nothing is left of any; what is named first comes first, after every shard."""
    while any(slot_of_this_thread(work).work_once() for work in works):
        pass
