"""One job's panel, and the four deeds on it. Each deed answers with the fragment that was asked to change."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from datasets_app import cards, jobs, overview, races
from datasets_app.access import CONTROL, Rights, can, rights
from datasets_app.errors import JobError
from datasets_app.jobs import Job
from datasets_app.models import Dataset
from datasets_app.page import Request, by_htmx, versioned
from datasets_app.progress import Progress
from datasets_app.views import found_card, whole_card

CONFLICT = 409
CARD = "dataset-"


@require_GET
def job(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    progress = cards.load_job(found(job_id))
    if not request.htmx:
        return redirect(progress.job.get_absolute_url())
    allowed = rights(request.user, progress.job.dataset, [progress.job])
    etag = f'"{progress.job.dataset.version}.{progress.version}.{overview.digest(allowed)}"'
    return versioned(request, etag, lambda: HttpResponse(panel(progress, allowed)))


@require_POST
def cancel(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    return do(request, job_id, "cancel", lambda job: job.cancel(request.user))


@require_POST
def pause(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    return do(request, job_id, "pause", lambda job: job.pause(request.user))


@require_POST
def resume(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    return do(request, job_id, "resume", lambda job: job.requeue(request.user))


@require_POST
def retry(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    return do(request, job_id, "retry", lambda job: job.requeue(request.user))


def do(request: Request, job_id: uuid.UUID, deed: str, act: Callable[[Job], bool]) -> HttpResponseBase:
    try:
        job = jobs.find(job_id)
        if not can(request.user, CONTROL, job):
            raise PermissionDenied
        won = act(job)
        job = jobs.find(job_id)
    except JobError as error:
        return too_late(request, job_id, deed, error)
    note = "" if won else races.lost(job, deed, request.user)
    if request.htmx:
        return by_htmx(HttpResponse(fragment(request, job, note), status=200 if won else CONFLICT))
    if note:
        messages.warning(request, note)
    return redirect(job.get_absolute_url())  # type: ignore[attr-defined]


def found(job_id: uuid.UUID) -> Job:
    try:
        return jobs.find(job_id)
    except JobError as error:
        raise Http404(str(error)) from error


def fragment(request: Request, job: Job, note: str) -> str:
    """The card if the button was on one, else the panel."""
    if (request.htmx.target or "").startswith(CARD):
        card = found_card(job.dataset_id)
        return whole_card(card, rights(request.user, card.dataset, card.all_jobs), note)
    progress = cards.load_job(job)
    return panel(progress, rights(request.user, progress.job.dataset, [progress.job]), note)


def panel(progress: Progress, allowed: Rights, note: str = "") -> str:
    context = {"progress": progress, "note": note, "is_page": True, "overview": overview.read()}
    return render_to_string("datasets/_job.html", context | allowed.as_context())


def too_late(request: Request, job_id: uuid.UUID, deed: str, error: JobError) -> HttpResponseBase:
    """The job was deleted after its button was drawn: say so where the button was."""
    deletion = races.deletion_of(job_id)
    if deletion is None and not request.htmx.target:
        raise Http404(str(error)) from error
    note = races.deleted(deletion, deed, request.user)
    dataset = Dataset.objects.visible().filter(pk=deletion.dataset_id).first() if deletion else None
    if request.htmx:
        return by_htmx(HttpResponse(obituary(request, job_id, dataset, note), status=CONFLICT))
    messages.warning(request, note)
    return redirect(dataset or "datasets:list")


def obituary(request: Request, job_id: uuid.UUID, dataset: Dataset | None, note: str) -> str:
    """The card if there still is one, or else something in its place, under a name that no update removes."""
    is_card = (request.htmx.target or "").startswith(CARD)
    if is_card and dataset:
        card = found_card(dataset.pk)
        return whole_card(card, rights(request.user, dataset, card.all_jobs), note)
    context = {"id": f"deleted-{job_id}", "note": note, "is_card": is_card}
    return render_to_string("datasets/_deleted.html", context)
