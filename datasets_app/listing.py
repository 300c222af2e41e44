"""One page of the list of datasets, as a query asks for it: for the view, and for every tab that follows it."""

import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.template.loader import render_to_string

from datasets_app import cards
from datasets_app.access import DELETE, Rights, Viewer, can, controllable
from datasets_app.cards import Card
from datasets_app.forms import DatasetFilter
from datasets_app.models import Dataset
from datasets_app.overview import Overview, digest

CARDS_A_PAGE = 12
# The element that holds the cards.
ELEMENT = "found"
# What a page without any dataset has seen.
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Followed:
    """A page of the list that tabs follow; `reader` only where it lists something else for every reader."""

    query: str
    reader: Viewer | None


@dataclass(frozen=True, slots=True)
class Found:
    """What such a page has now; its HTML for those who have seen something else."""

    seen: str
    shows: dict[str, uuid.UUID]
    html: dict[Viewer, str] = field(default_factory=dict)


class Listing:
    def __init__(self, query: QueryDict, reader: User | Viewer | None) -> None:
        self.form = DatasetFilter(query)
        found = self.form.apply(Dataset.objects.visible().select_related("created_by"), reader.pk if reader else None)
        self.page: Page[Dataset] = Paginator(found, CARDS_A_PAGE).get_page(query.get("page"))

    @cached_property
    def datasets(self) -> list[Dataset]:
        return list(self.page)

    @cached_property
    def cards(self) -> list[Card]:
        return cards.load(self.datasets)

    @cached_property
    def is_empty(self) -> bool:
        """Not because of the filter."""
        return not self.datasets and not Dataset.objects.visible().exists()

    @cached_property
    def seen(self) -> str:
        """Changes when a card comes or goes, and not with the order of the cards."""
        if self.is_empty:
            return NOTHING
        return digest(self.page.paginator.num_pages, *sorted(dataset.pk for dataset in self.datasets))

    @property
    def shows(self) -> dict[str, uuid.UUID]:
        return {f"dataset-{dataset.pk}": dataset.pk for dataset in self.datasets}

    @property
    def query(self) -> str:
        """What is chosen, for the links of the pager."""
        return self.form.query()

    @property
    def address(self) -> str:
        return "&".join(filter(None, (self.query, f"page={self.page.number}")))

    def context(self, reader: User | Viewer) -> dict[str, Any]:
        jobs = [progress.job for card in self.cards for progress in card.jobs]
        deletable = frozenset(job.pk for job in jobs if can(reader, DELETE, job))
        allowed = Rights(controllable(reader, jobs), deletable)
        return {"listing": self, "cards": self.cards, "page": self.page, **allowed.as_context()}


def followed(query: str, viewer: Viewer) -> Followed:
    """The same for all ways to ask for the same."""
    asked = QueryDict(query)
    form = DatasetFilter(asked)
    page = urlencode({"page": asked.get("page", "1")})
    is_personal = "owner" in form.chosen()
    return Followed("&".join(filter(None, (form.query(), page))), viewer if is_personal else None)


def read(wanted: dict[Followed, set[tuple[Viewer, str]]], overview: Overview | None) -> dict[Followed, Found]:
    """Each page as it is now, rendered for those (viewer, seen) who have seen something else."""
    return {each: _found(each, readers, overview) for each, readers in wanted.items()}


def _found(followed: Followed, readers: set[tuple[Viewer, str]], overview: Overview | None) -> Found:
    listing = Listing(QueryDict(followed.query), followed.reader)
    behind = {viewer for viewer, seen in readers if seen != listing.seen}
    return Found(listing.seen, listing.shows, {viewer: _rendered(listing, viewer, overview) for viewer in behind})


def _rendered(listing: Listing, viewer: Viewer, overview: Overview | None) -> str:
    return render_to_string("datasets/_list.html", {**listing.context(viewer), "overview": overview})
