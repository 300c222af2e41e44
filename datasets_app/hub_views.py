"""Adding a dataset from the Hub: ask what it is, look at the answer, choose, download."""

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import reselect, reswap, retarget

from datasets_app import storage
from datasets_app.downloading import NameTaken, Outcome, download_dataset
from datasets_app.errors import JobError
from datasets_app.hub_forms import DownloadForm, LookUpForm, free_name
from datasets_app.importing import TEXT_TYPES
from datasets_app.ingest.options import TextRows
from datasets_app.lookups import LookUp
from datasets_app.models import Dataset, Worker
from datasets_app.page import Request, by_htmx, wants_fragment
from datasets_app.rows import as_text

PAGE = "datasets/hub_answer.html"
INVALID = 422
NOTHING_NEW = 204
# A worker that is there has taken a question by then.
TAKEN_WITHIN = timedelta(seconds=6)


@require_http_methods(["GET", "POST"])
def ask(request: Request) -> HttpResponseBase:
    form = LookUpForm(request.user, LookUp.Of.DATASET, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        asked = LookUp.ask(request.user, of=form.of, answer={"hint": form.hint}, **form.cleaned_data)
        return redirect("datasets:hub_answer", asked.pk)
    context = {"section": "datasets", "form": form}
    return render(request, "datasets/hub.html", context, status=INVALID if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
def answer(request: Request, question_id: uuid.UUID) -> HttpResponseBase:
    question = own_question(request, question_id)
    if request.method == "POST" and "cancel" in request.POST:
        return redirect("datasets:hub" if question.cancel() else request.path)
    context = {"section": "datasets", "question": question, "address": request.path} | waiting(question)
    if question.state != LookUp.State.ANSWERED:
        return shown(request, PAGE, context | refused(request, question))
    seen = first_rows(question)
    form = download_form(request, question, seen)
    if request.method == "POST" and form.is_valid() and (dataset := begin(request, question, form)):
        return redirect(dataset)
    chosen = form["splits"].value() or []
    splits = [split | {"is_chosen": split["name"] in chosen} for split in question.listing["splits"]]
    found = {"form": form, "seen": seen, "splits": splits} | to_download(question, chosen, form["rows"].value())
    return shown(request, PAGE, context | found, INVALID if request.method == "POST" else 200)


@require_GET
def size(request: Request, question_id: uuid.UUID) -> HttpResponseBase:
    """How much the choice is that stands on the page now."""
    question = own_question(request, question_id, state=LookUp.State.ANSWERED)
    form = DownloadForm(question, [], request.GET)
    form.is_valid()  # of what is not, nothing is downloaded
    chosen, rows = (form.cleaned_data.get(name) for name in ("splits", "rows"))
    context = {"question": question} | to_download(question, chosen or [], rows)
    return render(request, "datasets/_to_download.html", context)


def own_question(request: Request, question_id: uuid.UUID, **fields: Any) -> LookUp:
    questions = LookUp.objects.of(request.user).filter(of=LookUp.Of.DATASET, **fields)
    return get_object_or_404(questions.select_related("token"), pk=question_id)


def to_download(question: LookUp, splits: list[str], rows: object) -> dict[str, Any]:
    chosen = [split for split in question.listing["splits"] if split["name"] in splits]
    return {
        "chosen_splits": [split["name"] for split in chosen],
        "chosen_rows": rows,
        "wanted_bytes": sum(split["bytes"] for split in chosen),
        "free_bytes": storage.free_bytes(),
    }


def shown(request: Request, page: str, context: dict[str, Any], status: int = 200) -> HttpResponseBase:
    """While it is asked the page asks for the panel alone; what has come takes the place of all that is on the page."""
    if wants_fragment(request) and context["question"].is_under_way:
        if request.GET.get("seen") == context["says"]:  # drawn again, its arc would start to turn anew
            return by_htmx(HttpResponse(status=NOTHING_NEW))
        return by_htmx(render(request, "datasets/_asking.html", context))
    response = by_htmx(render(request, page, context, status=status))
    if wants_fragment(request):
        response = reswap(retarget(reselect(response, "#main"), "#main"), "outerHTML")
    return response


def waiting(question: LookUp) -> dict[str, Any]:
    late = question.state == LookUp.State.WAITING and timezone.now() - question.created_at > TAKEN_WITHIN
    is_stalled = late and not Worker.objects.slots("import")
    received, seconds = question.answer.get("received"), question.answer.get("waiting", 0)
    before = question.before()
    says = "stalled" if is_stalled else f"asking-{before}" if before else "asking"
    if received is not None:
        says = f"{received}-{seconds}"
    return {"is_stalled": is_stalled, "before": before, "received": received, "seconds": seconds, "says": says}


def refused(request: Request, question: LookUp) -> dict[str, Any]:
    """With what was asked, to be asked again in another way."""
    again = {name: getattr(question, name) for name in ("repository", "revision", "configuration", "token")}
    form = LookUpForm(request.user, question.of, initial=again, configurations=question.known_configurations())
    return {"form": form, "endpoint": settings.HUB_ENDPOINT}


def first_rows(question: LookUp) -> dict[str, Any]:
    preview = question.answer.get("preview") or {}
    rows = [{name: as_text(value) for name, value in row.items()} for row in preview.get("rows", [])]
    columns = preview.get("columns") or question.listing.get("columns") or []
    texts = [name for name, kind in columns if kind in TEXT_TYPES]
    return {**preview, "columns": columns, "rows": rows, "texts": texts, "problem": question.answer.get("problem", "")}


def download_form(request: Request, question: LookUp, seen: dict[str, Any]) -> DownloadForm:
    initial = {
        "name": free_name(question.repository),
        "text_column": seen.get("text_column") or "",
        "text_rows": TextRows.LINES.value,
        "bad_rows": 0,
        "splits": [split["name"] for split in question.listing["splits"]],
    }
    return DownloadForm(question, seen["texts"], request.POST if request.method == "POST" else None, initial=initial)


def begin(request: Request, question: LookUp, form: DownloadForm) -> Dataset | None:
    """None if the form has an error now."""
    chosen = form.cleaned_data
    try:
        dataset, outcome = download_dataset(
            question.listing,
            chosen["name"],
            chosen["splits"],
            settings.HUB_ENDPOINT,
            created_by=request.user,
            token=question.token,
            text_column=chosen["text_column"],
            rows=chosen["rows"],
            options=form.options,
        )
    except JobError as error:
        form.add_error("name" if isinstance(error, NameTaken) else None, f"{error} {error.advice}")
        return None
    if outcome is Outcome.RESUMED:
        said = f"{dataset.name} was begun before and had stopped: it goes on as you chose, and what has come is kept."
        messages.info(request, said)
    elif outcome is Outcome.THERE:
        said = "This is here already: the same splits of the same commit, with the choices that it was added with."
        messages.info(request, said)
    return dataset
