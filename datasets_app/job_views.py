"""One job's panel, and the four deeds on it. Each deed answers with the fragment that was asked to change."""

import uuid
from collections.abc import Callable

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from datasets_app import cards, jobs
from datasets_app.access import CONTROL, can, controllable
from datasets_app.errors import JobError
from datasets_app.jobs import Job, Status
from datasets_app.page import Request, by_htmx, name_of, versioned
from datasets_app.progress import Progress
from datasets_app.templatetags.figures import span

CONFLICT = 409
CARD = "dataset-"


@require_GET
def job(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    progress = cards.load_job(found(job_id))
    if not request.htmx:
        return redirect(progress.job.get_absolute_url())
    may_control = can(request.user, CONTROL, progress.job)
    etag = f'"{progress.job.dataset.version}.{progress.version}.{may_control:d}"'
    return versioned(request, etag, lambda: HttpResponse(panel(progress, may_control)))


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
    job = found(job_id)
    if not can(request.user, CONTROL, job):
        raise PermissionDenied
    won = act(job)
    if not request.htmx:
        return redirect(job.get_absolute_url())  # type: ignore[attr-defined]
    note = "" if won else lost_race(found(job_id), deed, request.user)
    return by_htmx(HttpResponse(fragment(request, job, note), status=200 if won else CONFLICT))


def found(job_id: uuid.UUID) -> Job:
    try:
        return jobs.find(job_id)
    except JobError as error:
        raise Http404(str(error)) from error


def fragment(request: Request, job: Job, note: str) -> str:
    """The card if the button was on one, else the panel."""
    if (request.htmx.target or "").startswith(CARD):
        (card,) = cards.load_ids([job.dataset_id])
        allowed = controllable(request.user, (progress.job for progress in card.jobs))
        context = {"card": card, "controllable": allowed, "note": note}
        return render_to_string("datasets/_card.html", context)
    return panel(cards.load_job(job), may_control=True, note=note)


def panel(progress: Progress, may_control: bool, note: str = "") -> str:
    allowed = {progress.job.pk} if may_control else set()
    context = {"progress": progress, "controllable": allowed, "note": note, "is_page": True}
    return render_to_string("datasets/_job.html", context)


def lost_race(job: Job, deed: str, reader: User) -> str:
    """Why the deed could not be done any more, with who was faster and by how much."""
    seconds = max((timezone.now() - job.ended_at).total_seconds(), 0) if job.ended_at else 0
    earlier = f"{span(seconds)} before your {deed}"
    who = "You" if job.ended_by == reader else name_of(job.ended_by)
    if job.status == Status.READY:
        return f"It finished {earlier}. The result is kept; delete it if you do not want it."
    if job.status == Status.FAILED:
        return f"It failed {earlier}."
    if job.status == Status.CANCELLED:
        return f"{who} cancelled it {earlier}." if who else f"It was cancelled {earlier}."
    if job.status == Status.PAUSED:
        return f"{who or 'Somebody'} paused it before your {deed}."
    return f"It is {job.status} already."
