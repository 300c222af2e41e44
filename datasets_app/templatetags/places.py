"""What the pages say of the queue and of what has ended."""

from datetime import datetime
from typing import Any

from django import template

from datasets_app.jobs import Job, Status
from datasets_app.overview import MILLISECONDS, Overview, Place

register = template.Library()

ENDINGS = {Status.READY: "has finished", Status.FAILED: "has failed", Status.CANCELLED: "was cancelled"}


@register.simple_tag(takes_context=True)
def place_of(context: Any, job: Job) -> Place:
    """Where the job stands by the last overview, or that nothing is known of it."""
    overview: Overview | None = context.get("overview")
    place = overview.places.get(job.pk) if overview else None
    if place and place.status == job.status:
        return place
    return Place(job.pk, job.dataset_id, job.status, job.queue, number=None, slots=0, is_late=False)


@register.filter
def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * MILLISECONDS)


@register.filter
def ending(job: Job) -> str:
    return ENDINGS[Status(job.status)]
