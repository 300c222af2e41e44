"""The list of datasets, one dataset, and what scripts and pages ask of them."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from datasets_app import cards, jobs
from datasets_app.access import DELETE, can, controllable
from datasets_app.cards import Card
from datasets_app.forms import DatasetFilter, UploadForm
from datasets_app.jobs import from_now
from datasets_app.models import Dataset, Worker
from datasets_app.page import Request, by_htmx, versioned, wants_fragment
from datasets_app.rows import first_rows

CARDS_A_PAGE = 12
EVENTS_SHOWN = 20
DIGEST_DIGITS = 12
# What the page without datasets has seen.
NOTHING = "nothing"
NOT_AVAILABLE = 503
# A worker that has only just started says so within this time.
TAKEN_WITHIN = timedelta(seconds=6)


@require_GET
def list_datasets(request: Request) -> HttpResponseBase:
    datasets = Dataset.objects.visible().select_related("created_by")
    total = datasets.count()
    if wants_fragment(request) and request.GET.get("seen") == NOTHING:
        return by_htmx(HttpResponse(status=204, headers={"HX-Refresh": "true"} if total else {}))
    if not total:
        context = {"section": "datasets", "form": UploadForm(), "waiting": waiting_jobs()}
        return by_htmx(render(request, "datasets/empty.html", context))
    form = DatasetFilter(request.GET)
    pages = Paginator(form.apply(datasets, request.user), CARDS_A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    shown = cards.load(list(page))
    seen = names_of_cards(shown, total)
    if wants_fragment(request) and request.GET.get("seen") == seen:
        return by_htmx(HttpResponse(status=204))
    context = {
        "section": "datasets",
        "is_live": True,
        "seen": seen,
        "controllable": controllable(request.user, (progress.job for card in shown for progress in card.jobs)),
        "form": form,
        "page": page,
        "pages_query": form.query(),
        "cards": shown,
        "total": total,
        "tokenizations": tokenizations_total(),
        "waiting": waiting_jobs(),
    }
    if not wants_fragment(request):
        return by_htmx(render(request, "datasets/list.html", context))
    answer = render(request, "datasets/_list.html", context)
    answer["HX-Replace-Url"] = f"?{form.query()}"
    return by_htmx(answer)


def names_of_cards(shown: list[Card], total: int) -> str:
    """Changes when a dataset comes or goes, and not with the order."""
    return f"{total}.{digest(sorted(str(card.dataset.pk) for card in shown))}"


def digest(words: list[str]) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:DIGEST_DIGITS]


def tokenizations_total() -> int:
    return sum(model._default_manager.visible().count() for model in jobs.models_of_jobs() if model.kind != "import")


@require_GET
def detail(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    seen = frame_version(card)
    if wants_fragment(request) and request.GET.get("seen") == seen:
        return by_htmx(HttpResponse(status=204))
    dataset = card.dataset
    context = {
        "section": "datasets",
        "is_live": True,
        "card": card,
        "dataset": dataset,
        "seen": seen,
        "panels": shown_at_length(card),
        "controllable": controllable(request.user, (progress.job for progress in card.jobs)),
        "rows": first_rows(dataset),
        "events": dataset.events.select_related("actor")[:EVENTS_SHOWN],
        "waiting": waiting_jobs(),
    }
    template = "datasets/_detail.html" if wants_fragment(request) else "datasets/detail.html"
    return by_htmx(render(request, template, context))


def shown_at_length(card: Card) -> list[Any]:
    """What is under way or has just ended, and an import as long as it is the news."""
    done = [progress for progress in card.panels if not progress.job.is_unfinished]
    return [progress for progress in card.jobs if progress.job.is_unfinished] + done


def frame_version(card: Card) -> str:
    """Changes with everything on the page but the figures of running jobs, which have their own fragments."""
    return f"{card.dataset.version}.{sum(progress.job.version for progress in card.jobs)}"


@require_GET
def card(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    if not request.htmx:
        return redirect(card.dataset)
    allowed = controllable(request.user, (progress.job for progress in card.jobs))
    context = {"card": card, "controllable": allowed}
    etag = f'"{card.version}.{digest(sorted(map(str, allowed)))}"'
    return versioned(request, etag, lambda: HttpResponse(render_to_string("datasets/_card.html", context)))


@require_GET
def progress(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    of_jobs = [progress.as_dict() for progress in card.jobs]
    return versioned(request, f'"{card.version}"', lambda: JsonResponse(of_jobs, safe=False))


@require_http_methods(["GET", "POST"])
def delete(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    if not can(request.user, DELETE, card.dataset):
        raise PermissionDenied
    if request.method == "POST":
        card.dataset.mark_for_deletion(request.user)
        messages.info(request, f"{card.dataset.name} is deleted.")
        return redirect("datasets:list")
    return render(request, "datasets/delete.html", {"section": "datasets", "card": card, "dataset": card.dataset})


def found_card(dataset_id: uuid.UUID) -> Card:
    found = cards.load_ids([dataset_id])
    if not found:
        raise Http404("There is no such dataset.")
    return found[0]


@require_GET
def workers(request: Request) -> HttpResponseBase:
    """The banner that says that nobody works on what waits; 204 while it would say the same."""
    waiting = waiting_jobs()
    if request.GET.get("seen") == str(waiting):
        return HttpResponse(status=204)
    return by_htmx(render(request, "datasets/_workers.html", {"waiting": waiting}))


def waiting_jobs() -> int:
    """How many jobs wait for a kind of worker of which none is running."""
    waiting = 0
    for model in jobs.models_of_jobs():
        claimable = model._default_manager.claimable().filter(created_at__lt=from_now(-TAKEN_WITHIN)).count()
        waiting += claimable if claimable and not Worker.objects.slots(model.queue) else 0
    return waiting


@login_not_required
@never_cache
@require_GET
def health(request: HttpRequest) -> HttpResponseBase:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"database": "unreachable"}, status=NOT_AVAILABLE)
    return JsonResponse({"database": "reachable"})
