"""Cards: a dataset with its jobs and their figures, read in a number of queries that does not depend on how many."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from datasets_app import samples
from datasets_app.downloads import Download
from datasets_app.jobs import RETRIABLE, UNFINISHED, URGENCY, Job, Status
from datasets_app.models import Dataset
from datasets_app.progress import Progress

# What is unfinished is always shown at length; what has ended only as long as there are not more panels than this.
PANELS = 2


@dataclass(frozen=True, slots=True)
class Card:
    dataset: Dataset
    jobs: list[Progress] = field(default_factory=list)

    @property
    def version(self) -> int:
        """Of the card as a whole, its figures included."""
        return self.frame_version + sum(progress.version for progress in self.jobs)

    @property
    def frame_version(self) -> int:
        """Rises also when a result is no longer news, which nobody writes down."""
        aged = [each for each in self.tokenizations if each.job.status == Status.READY and not each.is_fresh]
        return self.dataset.version + len(aged)

    @property
    def all_jobs(self) -> list[Any]:
        return [progress.job for progress in self.jobs]

    @property
    def download(self) -> Any:
        """Where on the Hub it comes from; None if it comes from elsewhere."""
        return next((job for job in self.all_jobs if job.kind == Download.kind), None)

    @property
    def tokenizations(self) -> list[Progress]:
        return [progress for progress in self.jobs if progress.job.counts_tokens]

    @property
    def panels(self) -> list[Progress]:
        """The jobs shown at length: what is unfinished, what went wrong, what has just ended."""
        ended = [progress for progress in self._ended() if _deserves_panel(progress)]
        return self._unfinished() + ended[: max(PANELS - len(self._unfinished()), 0)]

    @property
    def page_panels(self) -> list[Progress]:
        """The same on the dataset's own page, where everything unfinished has room."""
        ended = [progress for progress in self.panels if not progress.job.is_unfinished]
        return self._unfinished() + ended

    @property
    def chips(self) -> list[Progress]:
        shown = {progress.job.pk for progress in self.panels}
        return [progress for progress in self.tokenizations if progress.job.pk not in shown]

    @property
    def status(self) -> str:
        return str(self.decisive.job.status) if self.decisive else Status.QUEUED.value

    @property
    def decisive(self) -> Progress | None:
        """The job whose status is the card's: what is unfinished, else the newest that was not cancelled."""
        ended = sorted(self._ended(), key=lambda progress: progress.job.status == Status.CANCELLED)
        return next(iter(self._unfinished() + ended), None)

    @property
    def is_import_undone(self) -> bool:
        """Failed or cancelled: there is nothing but the import, or the download, to deal with."""
        decisive = self.decisive
        return decisive is not None and not decisive.job.counts_tokens and decisive.job.status in RETRIABLE

    @property
    def running(self) -> int:
        return sum(progress.job.status == Status.RUNNING for progress in self.jobs)

    @property
    def lead(self) -> Progress | None:
        return next(iter(self.panels), None)

    def _unfinished(self) -> list[Progress]:
        """Of the same urgency in the order of the queue."""
        unfinished = [progress for progress in self.jobs if progress.job.is_unfinished]
        return sorted(unfinished, key=lambda each: (URGENCY.index(each.job.status), each.job.created_at, each.job.pk))

    def _ended(self) -> list[Progress]:
        """The newest first. A finished download is nothing by itself: what counts is the import after it."""
        ended = [each for each in self.jobs if not each.job.is_unfinished and not _is_only_a_step(each.job)]
        return sorted(ended, key=lambda each: each.job.ended_at or each.job.created_at, reverse=True)


def _is_only_a_step(job: Job) -> bool:
    return job.kind == Download.kind and job.status == Status.READY


def _deserves_panel(progress: Progress) -> bool:
    job = progress.job
    if job.status in (*UNFINISHED, Status.FAILED, Status.CANCELLED):
        return True
    return bool(job.counts_tokens and progress.is_fresh)


def load(datasets: Iterable[Dataset], own_panels: Collection[uuid.UUID] = ()) -> list[Card]:
    """The cards of these datasets, in their order. Newest tokenizations first.

    `own_panels` are jobs that have a page of their own open: their speeds are read also when others ended later.
    """
    by_dataset: dict[uuid.UUID, list[Progress]] = {dataset.pk: [] for dataset in datasets}
    for model in Dataset.jobs_models():
        jobs = list(_counted(model).filter(dataset__in=by_dataset).order_by("-created_at"))
        for progress in _progress_of(jobs, _drawn(jobs, own_panels)):
            by_dataset[progress.job.dataset_id].append(progress)
    return [Card(dataset, by_dataset[dataset.pk]) for dataset in datasets]


def load_ids(ids: Iterable[uuid.UUID], own_panels: Collection[uuid.UUID] = ()) -> list[Card]:
    return load(list(Dataset.objects.visible().filter(pk__in=list(ids)).select_related("created_by")), own_panels)


def load_running() -> list[Progress]:
    """The running jobs of all datasets, the longest running first."""
    running: list[Progress] = []
    for model in Dataset.jobs_models():
        jobs = list(_counted(model).filter(status=Status.RUNNING))
        running += _progress_of(jobs, [job.pk for job in jobs])
    return sorted(running, key=lambda progress: progress.job.started_at or progress.job.created_at)


def load_job(job: Job) -> Progress:
    (progress,) = _progress_of([_counted(type(job)).get(pk=job.pk)], [job.pk])
    return progress


def _progress_of(jobs: list[Any], drawn: list[uuid.UUID]) -> list[Progress]:
    """With two more queries for all of them: the slowest shard of what runs, and how fast those were that are drawn."""
    running = [job for job in jobs if job.status == Status.RUNNING]
    slowest = running[0].shard_model().objects.slowest([job.pk for job in running]) if running else {}
    speeds = samples.by_job(drawn)
    return [Progress(job, slowest.get(job.pk), speeds.get(job.pk, ())) for job in jobs]


def _drawn(jobs: list[Any], own_panels: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Whose speeds are read: what is unfinished, and of each dataset no more than its card shows of what has ended."""
    ended = [job for job in jobs if not job.is_unfinished and _deserves_panel(Progress(job))]
    newest: dict[uuid.UUID, list[uuid.UUID]] = {}
    for job in sorted(ended, key=lambda job: job.ended_at or job.created_at, reverse=True):
        newest.setdefault(job.dataset_id, []).append(job.pk)
    always = [job.pk for job in jobs if job.is_unfinished or job.pk in own_panels]
    return always + [pk for jobs_of_one in newest.values() for pk in jobs_of_one[:PANELS]]


def _counted(model: type[Job]) -> Any:
    """One extra query for the tokenizers of all tokenizations, none for an import."""
    related = [
        name
        for name in ("dataset", "dataset__created_by", "tokenizer", "created_by", "ended_by")
        if name.split("__")[0] in {f.name for f in model._meta.get_fields()}
    ]
    return model.objects.filter(delete_requested_at=None).with_counts().select_related(*related)
