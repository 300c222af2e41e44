"""Figures as the pages write them: thousands separators, times, sizes, ages and shares."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

UNKNOWN = "–"
UNKNOWN_TIME = "--:--"
MINUTE, HOUR, DAY = 60, 3600, 86_400
MONTH = 30 * DAY
# Bytes to the unit, and how many decimals are worth showing.
SIZES = [(10**12, "TB", 2), (10**9, "GB", 2), (10**6, "MB", 1), (10**3, "kB", 1)]
AMOUNTS = [(10**9, "billion", 2), (10**6, "M", 2), (10**3, "k", 1)]


def is_known(figure: object) -> bool:
    """A template gives an empty text for what is not there."""
    return figure is not None and figure != ""


@register.filter
def na(text: str) -> str:
    """What nobody will know any more, unlike what is not known yet."""
    return text.replace(UNKNOWN_TIME, UNKNOWN).replace(UNKNOWN, "N/A")


@register.filter
def number(figure: float | None) -> str:
    return f"{round(figure):,}" if figure is not None and is_known(figure) else UNKNOWN


@register.filter
def decimal(figure: float | None, places: int = 1) -> str:
    return f"{figure:,.{places}f}" if is_known(figure) else UNKNOWN


@register.filter
def amount(figure: int | None) -> str:
    """Short, where room is scarce: 5.61 M."""
    if figure is None:
        return "N/A"
    for unit, name, places in AMOUNTS:
        if figure >= unit:
            return f"{figure / unit:.{places}f} {name}"
    return str(figure)


@register.filter
def size(count: float | None) -> str:
    if count is None or not is_known(count):
        return UNKNOWN
    for unit, name, places in SIZES:
        if count >= unit:
            return f"{count / unit:,.{places}f} {name}"
    return f"{count:,.0f} byte{'' if count == 1 else 's'}"


@register.filter
def megabytes(count: float | None) -> str:
    return UNKNOWN if count is None else f"{count / 10**6:,.1f}"


@register.filter
def clock(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN_TIME
    minutes, rest = divmod(int(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def percent(share: float | None, places: int = 1) -> str:
    return UNKNOWN if share is None else f"{share:.{places}f}%"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """An age that a small script keeps going."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{} UTC" data-age>{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        age(moment),
    )


def age(moment: datetime) -> str:
    seconds = max((timezone.now() - moment).total_seconds(), 0)
    if seconds >= MONTH:
        return f"on {moment.day} {moment:%B %Y}"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise AssertionError("a minute or more has a unit")


def shares_of(parts: Sequence[int], places: int = 1) -> list[str]:
    """Percentages that add up to exactly 100: what rounding leaves goes to the largest remainders."""
    total = sum(parts)
    if not total:
        return [UNKNOWN for _ in parts]
    steps = 100 * 10**places
    floors = [part * steps // total for part in parts]
    remainders = [part * steps % total for part in parts]
    by_remainder = sorted(range(len(parts)), key=lambda index: -remainders[index])
    for index in by_remainder[: steps - sum(floors)]:
        floors[index] += 1
    return [f"{floor / 10**places:.{places}f}%" for floor in floors]


@register.simple_tag
def outcome_shares(job: Any) -> dict[str, str]:
    """Of the rows processed so far; two decimals where a part is so small that one would hide it."""
    parts = [job.total_kept, job.total_filtered, job.total_errored]
    smallest = min((part for part in parts if part), default=0)
    places = 2 if smallest * 100 < sum(parts) else 1
    return dict(zip(("kept", "filtered", "errored"), shares_of(parts, places), strict=True))


@register.filter
def share_of(part: int | None, whole: int | None) -> str:
    return percent(100 * part / whole) if part is not None and is_known(part) and whole else UNKNOWN
