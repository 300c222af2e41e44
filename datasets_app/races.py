"""What happened instead, where a button came too late: who was faster, and by how much."""

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from datasets_app.jobs import Job, Status
from datasets_app.models import Event
from datasets_app.page import name_of
from datasets_app.templatetags.figures import span


def lost(job: Job, deed: str, reader: User) -> str:
    event = Event.objects.filter(job_id=job.pk, kind=told_as(job)).select_related("actor").first()
    earlier = before(job.ended_at or (event.created_at if event else None), deed)
    who = name_for(reader, job.ended_by or (event.actor if event else None))
    match job.status:
        case Status.READY:
            return f"It finished {earlier}. The result is kept; delete it if you do not want it."
        case Status.FAILED:
            return f"{who} marked it as failed {earlier}." if who else f"It failed {earlier}."
        case Status.CANCELLED:
            return f"{who} cancelled it {earlier}." if who else f"It was cancelled {earlier}."
        case Status.PAUSED:
            return f"{who} paused it {earlier}." if who else f"It was paused {earlier}."
        case status:
            return f"{who} set it going {earlier}; it is {status}." if who else f"It is {status} already."


def told_as(job: Job) -> str:
    """The kind of the event that brought the job where it is; who sets one going only queues it."""
    return Status.QUEUED.value if job.status == Status.RUNNING else job.status


def deletion_of(job_id: uuid.UUID) -> Event | None:
    """Of the job or its whole dataset. None if there never was such a job, or nothing is left of it."""
    told = Event.objects.filter(job_id=job_id).first()
    if told is None:
        return None
    deletions = Event.objects.filter(Q(job_id=job_id) | Q(job_id=None), dataset=told.dataset_id, kind="deleted")
    return deletions.select_related("actor").first()


def deleted(deletion: Event | None, deed: str, reader: User) -> str:
    who = name_for(reader, deletion.actor) if deletion else ""
    earlier = before(deletion.created_at if deletion else None, deed)
    return f"{who} deleted it {earlier}." if who else f"It was deleted {earlier}."


def before(moment: datetime | None, deed: str) -> str:
    if moment is None:
        return f"before your {deed}"
    return f"{span(max((timezone.now() - moment).total_seconds(), 0))} before your {deed}"


def name_for(reader: User, somebody: User | None) -> str:
    return "You" if somebody == reader else name_of(somebody)
