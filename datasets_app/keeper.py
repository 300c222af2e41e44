"""What nobody else will do: wake workers, free silent shards, finish deletions, sweep."""

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef

from datasets_app import leases, storage
from datasets_app.downloads import Download
from datasets_app.hub_tokens import HubToken
from datasets_app.jobs import Job, Status, from_now, models_of_jobs
from datasets_app.lookups import LookUp
from datasets_app.models import Dataset, Sample, Upload, Worker
from datasets_app.shards import Shard

logger = logging.getLogger(__name__)

# The files and folders of an attempt carry its lease token.
TOKEN = re.compile(r"[0-9a-f]{32}")
WORKERS_LISTED = timedelta(hours=1)


def tick() -> None:
    """One round; every part is harmless when done twice or by two keepers."""
    for model in models_of_jobs():
        leases.expire(model)
        wake_for(model)
        finish_deletions(model)
    delete_datasets()
    answer_look_ups()


def answer_look_ups() -> None:
    """Questions to the Hub that nobody took, or whose worker died."""
    LookUp.objects.lost().update(state=LookUp.State.WAITING)
    for kind in LookUp.Of:
        if waiting := LookUp.objects.waiting(kind).first():
            waiting.wake()


def wake_for(model: type[Job]) -> None:
    """Wake-ups for work that nobody took, be it shards or a last step."""
    shards = model.shard_model().objects.filter(job=OuterRef("pk"))
    idle = Exists(shards.filter(state=Shard.State.WAITING)) | ~Exists(shards.exclude(state=Shard.State.DONE))
    job = model.objects.claimable().filter(idle).first()
    if job is not None:
        job.wake()


def finish_deletions(model: type[Job]) -> None:
    """Once no slot works on it, a job goes with its files."""
    marked = model.objects.exclude(delete_requested_at=None).filter(**{"dataset__delete_requested_at": None})
    for job in marked.exclude(pk__in=model.objects.busy()):
        storage.remove(_home(job))
        Sample.objects.filter(job_id=job.pk).delete()
        job.delete()


def delete_datasets() -> None:
    """Once no slot works on any of its jobs, a dataset goes with all its files."""
    for dataset in Dataset.objects.exclude(delete_requested_at=None):
        if any(model.objects.busy().filter(**{"dataset": dataset}).exists() for model in Dataset.jobs_models()):
            continue
        for tokenization in dataset.tokenizations.all():
            storage.remove(_home(tokenization))
        storage.remove(storage.dataset_dir(dataset.pk))
        upload = dataset.begun_import.upload if dataset.begun_import else None
        forget_download(dataset)
        dataset.tokenizations.all().delete()
        dataset.delete()
        if upload is not None and not upload.imports.exists():  # else it is imported again, with changes
            storage.remove(storage.upload_dir(upload.pk))
            upload.delete()


def forget_download(dataset: Dataset) -> None:
    """With what has come of it, and a token that was for it alone."""
    for download in Download.objects.filter(dataset=dataset):
        storage.remove(storage.download_dir(download.pk))
        if download.token_id:
            HubToken.objects.release(download.token_id)


def sweep() -> None:
    """Uploads that nobody sends on or imports, forgotten tokens, files of attempts that are over, workers long gone."""
    for upload in Upload.objects.forgotten():
        upload.forget()
    HubToken.objects.left_behind().delete()
    LookUp.objects.old().delete()
    Worker.objects.filter(seen_at__lt=from_now(-WORKERS_LISTED)).delete()
    live = _live_tokens()
    for folder in (Path(settings.SCRATCH_ROOT), *_staging_dirs()):
        for entry in storage.stale_entries(folder):
            token = TOKEN.search(entry.name)
            if entry.name not in live and (token is None or token.group() not in live):
                storage.remove(entry)
    _sweep_folders_of_nothing()


def _live_tokens() -> set[str]:
    """The tokens of every attempt whose files still count: leased shards, and done ones that are not yet published."""
    tokens: set[str] = set()
    for model in models_of_jobs():
        shards = model.shard_model().objects
        leased = shards.filter(state=Shard.State.RUNNING).values_list("lease_token", flat=True)
        tokens.update(token.hex for token in leased if token)
        done = shards.filter(state=Shard.State.DONE).exclude(job__status=Status.READY)
        for files in done.values_list("files", flat=True):
            tokens.update(file["name"] for file in files)
    return tokens


def _sweep_folders_of_nothing() -> None:
    """A slot that had fallen silent may have written into a folder that was deleted meanwhile."""
    known: dict[str, Any] = {
        "datasets": Dataset,
        "uploads": Upload,
        "downloads": Download,
        "tokenizations": Dataset.jobs_models()[-1],
    }
    for name, model in known.items():
        ids = {str(key) for key in model.objects.values_list("pk", flat=True)}
        for folder in storage.stale_entries(storage.root() / name):
            if folder.name not in ids:
                storage.remove(folder)


def _staging_dirs() -> list[Path]:
    homes = [*(storage.root() / "datasets").glob("*"), *(storage.root() / "tokenizations").glob("*")]
    return [storage.staging_dir(home) for home in homes]


def _home(job: Job) -> Path:
    return storage.tokenization_dir(job.pk) if job.counts_tokens else storage.dataset_dir(job.dataset_id)
