"""What any page shows of a dataset, as elements: read together, rendered once per version and right."""

import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.template.loader import render_to_string

from datasets_app import cards, history
from datasets_app.access import Rights, Viewer, rights
from datasets_app.cards import Card
from datasets_app.overview import Overview
from datasets_app.progress import Progress

logger = logging.getLogger(__name__)

# By dataset, the elements that some tab shows of it.
Wanted = dict[uuid.UUID, set[str]]
Read = dict[uuid.UUID, dict[str, "Fragment"]]
Known = dict[str, "Fragment"]


@dataclass(frozen=True, slots=True)
class Fragment:
    """One snapshot of one element, complete for each viewer that it was read for.

    Without `html` the page asks for it by itself when it hears of a newer version.
    """

    id: str
    version: int
    html: dict[Viewer, str] = field(default_factory=dict)
    allowed: dict[Viewer, Rights] = field(default_factory=dict)
    # The elements inside it, and the versions of them that its `html` brings along.
    parts: tuple["Fragment", ...] = ()
    brings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one dataset, for those who look at it now; what has not changed is not rendered again."""

    card: Card
    allowed: dict[Viewer, Rights]
    known: Known
    overview: Overview | None
    # How many events there are of each owner.
    totals: dict[uuid.UUID, int]

    def fragment(
        self, name: str, version: int, template: str, parts: Iterable[Fragment] = (), **context: Any
    ) -> Fragment:
        parts = tuple(parts)
        if old := self.unchanged(name, version):
            return replace(old, parts=parts)
        html = self._rendered(template, {"card": self.card, "dataset": self.card.dataset, **context})
        brings = {part.id: part.version for part in parts}
        return Fragment(name, version, html, self.allowed, parts, brings)

    def figures(self, progress: Progress) -> Fragment:
        """A job's progress grid, which is the same for everybody."""
        name = f"job-{progress.job.pk}-progress"
        if old := self.unchanged(name, progress.version):
            return old
        html = render_to_string("datasets/_progress.html", {"progress": progress})
        return Fragment(name, progress.version, dict.fromkeys(self.allowed, html), self.allowed)

    def unchanged(self, name: str, version: int) -> Fragment | None:
        """As it was read before, for those who look now: who has left may come back when the parts are others."""
        old = self.known.get(name)
        if old is None or old.version != version or not self.allowed.items() <= old.allowed.items():
            return None
        return replace(old, html={viewer: old.html[viewer] for viewer in self.allowed}, allowed=self.allowed)

    def _rendered(self, template: str, context: dict[str, Any]) -> dict[Viewer, str]:
        """Once for all who may do the same."""
        by_right = {
            right: render_to_string(template, {**context, **right.as_context(), "overview": self.overview})
            for right in set(self.allowed.values())
        }
        return {viewer: by_right[right] for viewer, right in self.allowed.items()}


def read(wanted: Wanted, viewers: dict[uuid.UUID, set[Viewer]], known: Read, overview: Overview | None) -> Read:
    """The wanted elements by their ids; none of a dataset that is deleted, nothing for one that cannot be rendered."""
    found: Read = {dataset: {} for dataset in wanted}
    loaded = cards.load_ids(wanted, _ids_of(wanted, "job-"))
    totals = history.totals(_ids_of(wanted, "events-"))
    for card in loaded:
        key = card.dataset.pk
        allowed = {viewer: rights(viewer, card.dataset, card.all_jobs) for viewer in viewers[key]}
        reading = Reading(card, allowed, _flat(known.get(key, {})), overview, totals)
        try:
            elements = _elements(reading)
            found[key] = {name: elements[name]() for name in wanted[key] & elements.keys()}
        except Exception:  # one that cannot be shown must not keep all others from their screens
            logger.exception("Nothing could be rendered of dataset %s.", key)
            del found[key]
    return found


def _ids_of(wanted: Wanted, prefix: str) -> list[uuid.UUID]:
    """Of the jobs and datasets of which an element of this kind is wanted."""
    names = (name for elements in wanted.values() for name in elements if name.startswith(prefix))
    return [uuid.UUID(name.removeprefix(prefix)) for name in names]


def within(fragment: Fragment) -> Iterable[Fragment]:
    yield fragment
    for part in fragment.parts:
        yield from within(part)


def _flat(known: Known) -> Known:
    return {each.id: each for fragment in known.values() for each in within(fragment)}


def _elements(reading: Reading) -> dict[str, Callable[[], Fragment]]:
    """Every element that there is of this dataset and its jobs, and how to get it."""
    dataset = reading.card.dataset
    elements: dict[str, Callable[[], Fragment]] = {
        f"dataset-{dataset.pk}": lambda: _card(reading),
        f"head-{dataset.pk}": lambda: _head(reading),
        f"jobs-{dataset.pk}": lambda: _panels(reading),
        f"tokenizations-{dataset.pk}": lambda: _table(reading),
        f"events-{dataset.pk}": lambda: _events(reading, dataset),
        f"content-{dataset.pk}": lambda: Fragment(f"content-{dataset.pk}", dataset.content_version),
    }
    for progress in reading.card.jobs:
        elements |= _elements_of_job(reading, progress)
    return elements


def _elements_of_job(reading: Reading, progress: Progress) -> dict[str, Callable[[], Fragment]]:
    job = progress.job
    return {
        f"job-{job.pk}": lambda: _panel(reading, progress),
        f"head-{job.pk}": lambda: _job_head(reading, progress),
        f"events-{job.pk}": lambda: _events(reading, job),
        f"result-{job.pk}": lambda: Fragment(f"result-{job.pk}", job.version),
    }


def _card(reading: Reading) -> Fragment:
    card = reading.card
    figures = [reading.figures(progress) for progress in card.panels]
    return reading.fragment(f"dataset-{card.dataset.pk}", card.frame_version, "datasets/_card.html", figures)


def _head(reading: Reading) -> Fragment:
    card = reading.card
    return reading.fragment(f"head-{card.dataset.pk}", card.frame_version, "datasets/_head.html")


def _panels(reading: Reading) -> Fragment:
    card = reading.card
    figures = [reading.figures(progress) for progress in card.page_panels]
    return reading.fragment(f"jobs-{card.dataset.pk}", card.frame_version, "datasets/_panels.html", figures)


def _panel(reading: Reading, progress: Progress) -> Fragment:
    name, version = f"job-{progress.job.pk}", reading.card.dataset.version
    figures = [reading.figures(progress)]
    return reading.fragment(name, version, "datasets/_job.html", figures, progress=progress, is_page=True)


def _job_head(reading: Reading, progress: Progress) -> Fragment:
    name, job = f"head-{progress.job.pk}", progress.job
    version = reading.card.dataset.version
    return reading.fragment(name, version, "tokenizations/_head.html", progress=progress, job=job)


def _table(reading: Reading) -> Fragment:
    dataset = reading.card.dataset
    return reading.fragment(f"tokenizations-{dataset.pk}", dataset.version, "datasets/_tokenizations.html")


def _events(reading: Reading, owner: Any) -> Fragment:
    """Read only when there are new ones."""
    name, total = f"events-{owner.pk}", reading.totals.get(owner.pk, 0)
    if old := reading.unchanged(name, total):
        return old
    told = history.load(owner, reading.card.all_jobs)
    return reading.fragment(name, told.version, "datasets/_events.html", history=told)
