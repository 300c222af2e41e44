"""The whole history of a dataset, or of one of its tokenizations, in pages."""

import uuid

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from datasets_app import history
from datasets_app.job_views import found
from datasets_app.jobs import Job
from datasets_app.models import Dataset
from datasets_app.page import Request

EVENTS_A_PAGE = 50


@require_GET
def of_dataset(request: Request, dataset_id: uuid.UUID) -> HttpResponse:
    dataset = get_object_or_404(Dataset.objects.visible().select_related("import_job"), pk=dataset_id)
    return page_of_events(request, dataset, {"dataset": dataset})


@require_GET
def of_tokenization(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = found(job_id)
    if job.kind != "tokenization":
        raise Http404("There is no such tokenization.")
    return page_of_events(request, job, {"dataset": job.dataset, "job": job})


def page_of_events(request: Request, owner: Dataset | Job, context: dict[str, object]) -> HttpResponse:
    page = Paginator(history.of(owner), EVENTS_A_PAGE).get_page(request.GET.get("page"))
    events = history.named(owner, page)
    return render(request, "datasets/events.html", {"section": "datasets", "page": page, "events": events, **context})
