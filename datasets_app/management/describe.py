"""Objects as the commands print them."""

from typing import Any

from datasets_app import storage
from datasets_app.jobs import Job
from datasets_app.models import Dataset


def dataset_facts(dataset: Dataset) -> dict[str, Any]:
    job = dataset.jobs()[0] if dataset.begun_import is None else dataset.begun_import
    return {
        "id": str(dataset.pk),
        "name": dataset.name,
        "status": job.status,
        "source": dataset.source,
        "hub": hub_facts(dataset),
        "rows": dataset.rows,
        "bytes": dataset.bytes,
        "splits": [{"name": split["name"], "rows": split["rows"]} for split in dataset.splits],
        "columns": [name for name, _ in dataset.columns],
        "text_column": dataset.text_column,
        "path": str(storage.dataset_dir(dataset.pk)),
        "fingerprint": dataset.fingerprint,
        "job_id": str(job.pk),
        "failure": f"{job.failure} {job.advice}".strip(),
        "created_at": dataset.created_at,
    }


def hub_facts(dataset: Dataset) -> dict[str, str] | None:
    """What on the Hub it is."""
    download = getattr(dataset, "download", None)
    names = ("repository", "configuration", "revision", "commit")
    return {name: getattr(download, name) for name in names} if download else None


def job_facts(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "dataset": job.dataset.name,
        "status": job.status,
        "stage": job.stage,
        "failure": f"{job.failure} {job.advice}".strip(),
    }
