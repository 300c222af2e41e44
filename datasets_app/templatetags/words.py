"""What the pages say of cards and jobs, where it takes more than a figure."""

from typing import Any

from django import template
from django.urls import reverse

from datasets_app.access import DELETE, can
from datasets_app.cards import Card
from datasets_app.jobs import Status
from datasets_app.names import shown_name
from datasets_app.page import name_of
from datasets_app.progress import Progress
from datasets_app.templatetags.figures import amount, number, size

register = template.Library()

TURNING = "turning"
# Where the icon of an event is not the one of a status.
EVENT_ICONS = {"stage": "next", "checkpoint": "check", "shard": "retry", "deleted": "trash", "damaged": "stalled"}
SIZES = ["", "small", "medium", "large", "full"]
# The encoder that is taken where it can be, and the only kind of tokenizer that it knows.
FAST_ENCODER, FAST_KIND = "fastokens", "BPE"


@register.filter
def person(user: Any) -> str:
    return name_of(user)


@register.filter
def can_delete(user: Any, target: Any) -> bool:
    return can(user, DELETE, target)


@register.filter
def event_icon(event: Any) -> str:
    return EVENT_ICONS.get(event.kind, event.kind if event.kind in set(Status) else "info")


@register.filter
def turning(status: str) -> str:
    return TURNING if status == Status.RUNNING else ""


@register.filter
def status_word(card: Card) -> str:
    """The word in a card's corner, for the job that decides its status."""
    status = Status(card.status)
    if status == Status.RUNNING and card.running > 1:
        return f"{card.running} running"
    if status == Status.READY:
        return "Just finished" if card.decisive in card.panels else "Ready"
    return f"{card.decisive.job.label} {status.value}" if card.decisive and card.is_import_undone else status.label


@register.filter
def why(progress: Progress | None) -> str:
    """What a job failed of, and what to do."""
    if progress is None or progress.job.status != Status.FAILED:
        return ""
    return f"{progress.job.failure} {progress.job.advice}".strip()


@register.filter
def chip_title(progress: Progress) -> str:
    """All that a chip may have no room for."""
    said = f"{progress.job.tokenizer.name}: {progress.job.short_words} · {chip_result(progress)}"
    return f"{said}. {reason}" if (reason := why(progress)) else said


@register.filter
def shows_progress(progress: Progress) -> bool:
    """While a job has something to count, also when it waits to go on."""
    status = progress.job.status
    return status in (Status.RUNNING, Status.PAUSED) or (status == Status.QUEUED and progress.percent > 0)


@register.filter
def card_size(card: Card) -> str:
    """How many grid rows the card spans: decided by status, so that it resizes only when its status does."""
    return max(map(panel_size, card.panels), key=SIZES.index, default="")


def panel_size(progress: Progress) -> str:
    if shows_progress(progress):
        return "full" if progress.job.counts_tokens else "large"
    return "medium" if progress.job.status in (Status.FAILED, Status.READY) else "small"


@register.filter
def facts(card: Card) -> list[str]:
    """The line under a card's name."""
    dataset = card.dataset
    said = []
    if dataset.rows is not None:
        said.append(plural(dataset.rows, "row"))
    if len(dataset.splits) > 1:
        said.append(plural(len(dataset.splits), "split"))
    said.append(size(dataset.bytes if dataset.bytes is not None else source_bytes(card)))
    said.append(dataset.get_source_display())
    if owner := name_of(dataset.created_by):
        said.append(owner)
    return said


def source_bytes(card: Card) -> int:
    return max((progress.job.bytes_total for progress in card.jobs if not progress.job.counts_tokens), default=0)


@register.filter
def plural(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


@register.filter
def job_line(progress: Progress) -> str:
    """What the job was asked to do, in a few words."""
    if not progress.job.counts_tokens:
        return plural(progress.shards_total, "file")
    return str(progress.job.words)


@register.filter
def chip_result(progress: Progress) -> str:
    if progress.job.status != Status.READY:
        return str(progress.job.get_status_display()).lower()
    return f"{amount(progress.tokens_written)} tokens"


@register.filter
def subject(job: Any) -> str:
    """How a question names the job: the import of X, the tokenization of X with Y."""
    of = f"the {job.noun} of {job.dataset.name}"
    return f"{of} with {job.tokenizer.name}" if job.counts_tokens else of


@register.filter
def said(card: Card) -> str:
    """What a screen reader hears when the card's status changes."""
    if not (lead := card.lead):
        return f"{card.dataset.name}: {status_word(card)}."
    return f"{card.dataset.name}: {lead.job.label} {job_state_words(lead)}."


@register.filter
def job_state_words(progress: Progress) -> str:
    return "finished" if progress.job.status == Status.READY else str(progress.job.status)


@register.filter
def encoder_words(job: Any) -> str:
    """Why it is this encoder, in few words; the whole sentence is among the options."""
    if not job.encoder:
        return "being checked" if job.is_unfinished else "N/A"
    if job.encoder == FAST_ENCODER:
        return "same ids, checked"
    return str(job.tokenizer.kind) if job.tokenizer.kind != FAST_KIND else "fastokens does not fit"


@register.filter
def at_rest(progress: Progress) -> str:
    """What is to say of the slowest shard when none is at work."""
    if progress.job.shards_done == progress.shards_total:
        return "all done"
    return "none at work" if progress.job.status == Status.RUNNING else "all at rest"


@register.filter
def delete_address(job: Any) -> str:
    """What brings data in goes with its dataset."""
    if job.counts_tokens:
        return reverse("tokenizations:delete", args=[job.pk])
    return reverse("datasets:delete", args=[job.dataset_id])


@register.filter
def option(spec: dict[str, Any], name: str) -> Any:
    """None where an earlier version did not write it down."""
    return spec.get(name)


register.filter("shown_name", shown_name)


@register.filter
def item(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key, "")


@register.filter
def split_field(form: Any, number: int) -> Any:
    return form[f"split_{number}"]
