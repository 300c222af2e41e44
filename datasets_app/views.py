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
from datasets_app.access import DELETE, Rights, can, rights
from datasets_app.cards import Card
from datasets_app.forms import UploadForm
from datasets_app.hub_forms import LookUpForm
from datasets_app.listing import NOTHING, Listing
from datasets_app.lookups import LookUp
from datasets_app.overview import digest
from datasets_app.page import Request, by_htmx, versioned, wants_fragment
from datasets_app.rows import first_rows

NOT_AVAILABLE = 503
# The version of all elements of an overview, also where the browser keeps those that it has; see static/live.js.
READ_AT = "Read-At"


@require_GET
def list_datasets(request: Request) -> HttpResponseBase:
    listing = Listing(request.GET, request.user)
    if wants_fragment(request):
        return by_htmx(found_cards(request, listing))
    if listing.is_empty:
        forms = {"form": UploadForm(), "hub_form": LookUpForm(request.user, LookUp.Of.DATASET)}
        return by_htmx(render(request, "datasets/empty.html", {"section": "datasets", **forms}))
    context = {"section": "datasets", **listing.context(request.user)}
    return by_htmx(render(request, "datasets/list.html", context))


def found_cards(request: Request, listing: Listing) -> HttpResponse:
    """For a tab that polls, with what it has `seen`, and for the toolbar, without."""
    seen = request.GET.get("seen")
    if seen == listing.seen:
        return HttpResponse(status=204)
    if listing.is_empty or seen == NOTHING:  # the page without datasets is another one
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    answer = render(request, "datasets/_found.html", listing.context(request.user))
    if seen is None:
        answer["HX-Replace-Url"] = f"?{listing.query}"
    return answer


@require_GET
def detail(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    allowed = rights(request.user, card.dataset, card.all_jobs)
    told = history.load(card.dataset, card.all_jobs)

    def page(template: str) -> HttpResponse:
        context = {"section": "datasets", "card": card, "dataset": card.dataset, "history": told}
        return render(request, template, context | {"rows": first_rows(card.dataset)} | allowed.as_context())

    if not wants_fragment(request):
        return by_htmx(page("datasets/detail.html"))
    etag = f'"{card.version}.{told.version}.{digest(allowed)}"'
    return versioned(request, etag, lambda: page("datasets/_detail.html"))


@require_GET
def card(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    card = found_card(dataset_id)
    if not request.htmx:
        return redirect(card.dataset)
    allowed = rights(request.user, card.dataset, card.all_jobs)
    return versioned(request, f'"{card.version}.{digest(allowed)}"', lambda: HttpResponse(whole_card(card, allowed)))


def whole_card(card: Card, allowed: Rights, note: str = "") -> str:
    context = {"card": card, "note": note, "overview": overviews.read(), **allowed.as_context()}
    return render_to_string("datasets/_card.html", context)


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
    """What depends on all jobs at once, for a page whose socket is down.

    Of words that were sent before, the browser hears only that they hold again: it may have shown others meanwhile.
    """
    now = overviews.read()

    def elements() -> HttpResponse:
        notes = now.notes({place.dataset_id for place in now.places.values()})
        return HttpResponse("\n".join((now.common, notes, now.news(request.user.pk))))

    answer = versioned(request, f'"{now.digest_for(request.user.pk)}"', elements)
    answer[READ_AT] = str(now.version)
    return answer


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
