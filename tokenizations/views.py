"""A new tokenization, one tokenization, and the sample."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets_app import cards, history
from datasets_app.access import DELETE, can, rights
from datasets_app.errors import JobError
from datasets_app.models import Dataset
from datasets_app.overview import digest
from datasets_app.page import Request, by_htmx, versioned, wants_fragment
from datasets_app.rows import first_rows
from tokenizations.forms import ComposerForm
from tokenizations.models import Tokenization, Tokenizer, tokenize
from tokenizations.previewing import PreviewedRow, previewed

INVALID = 422
PREVIEW_ROWS = 4
MISSING = object()


@require_http_methods(["GET", "POST"])
def new(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    dataset = get_object_or_404(Dataset.objects.visible(), pk=dataset_id)
    if not dataset.is_ready:
        messages.warning(request, f"{dataset.name} can be tokenized when its import is finished.")
        return redirect(dataset)
    data = request.POST if request.method == "POST" else None
    form = ComposerForm(data, dataset=dataset, initial=ComposerForm.initial_for(dataset) | asked(request, dataset))
    if request.method == "POST" and form.is_valid() and (job := start(request, form)):
        return redirect(job)
    column = form["text_column"].value() or dataset.text_column
    context = {
        "section": "datasets",
        "dataset": dataset,
        "form": form,
        "rows": [PreviewedRow(row.get(column, "")) for row in first_rows(dataset, PREVIEW_ROWS)],
        "tokenizers": Tokenizer.objects.visible().count(),
    }
    status = INVALID if request.method == "POST" else 200
    return render(request, "tokenizations/new.html", context, status=status)


def asked(request: Request, dataset: Dataset) -> dict[str, object]:
    """The choices of an earlier tokenization, to be changed."""
    try:
        like = uuid.UUID(request.GET.get("like", ""))
    except ValueError:
        return {}
    earlier = Tokenization.objects.visible().filter(dataset=dataset, pk=like).select_related("tokenizer").first()
    if earlier is None:
        return {}
    filled_in = earlier.tokenizer.filled_in
    chosen = {name: value for name, value in earlier.spec.items() if value != filled_in.get(name, MISSING)}
    return {**chosen, "tokenizer": earlier.tokenizer_id}


@require_POST
def preview(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    """The texts that the first rows would become with what the form says so far."""
    dataset = get_object_or_404(Dataset.objects.visible().filter(rows__isnull=False), pk=dataset_id)
    form = ComposerForm(request.POST, dataset=dataset)
    context: dict[str, object]
    try:
        context = {"rows": previewed(dataset, form.preview_spec, PREVIEW_ROWS)}
    except JobError as error:
        context = {"problem": str(error), "advice": error.advice}
    return render(request, "tokenizations/_preview.html", context)


def start(request: Request, form: ComposerForm) -> Tokenization | None:
    try:
        job, is_new = tokenize(form.dataset, form.cleaned_data["tokenizer"], form.spec, request.user)
    except JobError as error:
        form.refuse(error)
        return None
    if not is_new:
        messages.info(request, "The same was asked for before: this is it.")
    return job


@require_GET
def detail(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    progress = cards.load_job(get_object_or_404(Tokenization.objects.visible(), pk=job_id))
    job = progress.job
    allowed = rights(request.user, job.dataset, [job])
    told = history.load(job)
    context = {
        "section": "datasets",
        "progress": progress,
        "job": job,
        "dataset": job.dataset,
        "history": told,
        **allowed.as_context(),
    }
    if not wants_fragment(request):
        return by_htmx(render(request, "tokenizations/detail.html", context))
    etag = f'"{job.dataset.version}.{progress.version}.{told.version}.{digest(allowed)}"'
    return versioned(request, etag, lambda: render(request, "tokenizations/_detail.html", context))


@require_http_methods(["GET", "POST"])
def delete(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    job = get_object_or_404(Tokenization.objects.visible(), pk=job_id)
    if not can(request.user, DELETE, job):
        raise PermissionDenied
    if request.method == "POST":
        job.mark_for_deletion(request.user)
        messages.info(request, f"{job.label} is deleted.")
        return redirect(job.dataset)
    progress = cards.load_job(job)
    context = {"section": "datasets", "progress": progress, "job": progress.job, "dataset": progress.job.dataset}
    return render(request, "tokenizations/delete.html", context)


@require_POST
def sample(request: Request) -> HttpResponseBase:
    from tokenizations.sample import add_sample

    try:
        return redirect(add_sample(request.user))
    except JobError as error:
        messages.warning(request, f"{error} {error.advice}")
        return redirect("datasets:list")
