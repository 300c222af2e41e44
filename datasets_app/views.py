"""The list of datasets, one dataset, and what scripts and pages ask of them."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from datasets_app import cards, history
from datasets_app import overview as overviews
from datasets_app.access import DELETE, can, rights
from datasets_app.cards import Card
from datasets_app.forms import UploadForm
from datasets_app.listing import NOTHING, Listing
from datasets_app.overview import digest
from datasets_app.page import Request, by_htmx, versioned, wants_fragment
from datasets_app.rows import first_rows

NOT_AVAILABLE = 503


@require_GET
def list_datasets(request: Request) -> HttpResponseBase:
    listing = Listing(request.GET, request.user)
    is_fragment = wants_fragment(request)
    if is_fragment and request.GET.get("seen") == listing.seen:
        return by_htmx(HttpResponse(status=204))
    if listing.is_empty:
        if is_fragment:
            return by_htmx(HttpResponse(status=204, headers={"HX-Refresh": "true"}))
        return by_htmx(render(request, "datasets/empty.html", {"section": "datasets", "form": UploadForm()}))
    if is_fragment and request.GET.get("seen") == NOTHING:
        return by_htmx(HttpResponse(status=204, headers={"HX-Refresh": "true"}))
    context = {"section": "datasets", **listing.context(request.user)}
    if not is_fragment:
        return by_htmx(render(request, "datasets/list.html", context))
    answer = render(request, "datasets/_found.html", context)
    answer["HX-Replace-Url"] = f"?{listing.query}"
    return by_htmx(answer)


@require_GET
def detail(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    dataset = card.dataset
    allowed = rights(request.user, dataset, [progress.job for progress in card.jobs])
    told = history.load(dataset)
    context = {
        "section": "datasets",
        "card": card,
        "dataset": dataset,
        "rows": first_rows(dataset),
        "history": told,
        **allowed.as_context(),
    }
    etag = f'"{card.version}.{told.version}.{digest(allowed)}"'
    if not wants_fragment(request):
        return by_htmx(render(request, "datasets/detail.html", context))
    return versioned(request, etag, lambda: render(request, "datasets/_detail.html", context))


@require_GET
def card(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    if not request.htmx:
        return redirect(card.dataset)
    allowed = rights(request.user, card.dataset, [progress.job for progress in card.jobs])
    context = {"card": card, "overview": overviews.read(), **allowed.as_context()}
    etag = f'"{card.version}.{digest(allowed)}"'
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
def overview(request: Request) -> HttpResponseBase:
    """What depends on all jobs at once, for a page whose socket is down."""
    now = overviews.read()
    parts = now.common, now.notes({place.dataset_id for place in now.places.values()}), now.news(request.user.pk)
    return by_htmx(HttpResponse("\n".join(parts)))


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
