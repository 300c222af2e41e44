"""The bad rows that an import has set aside: to look at, and to download."""

import json
import uuid
from itertools import islice
from pathlib import Path

from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_GET

from datasets_app import storage
from datasets_app.models import Dataset
from datasets_app.page import Request

ROWS_SHOWN = 100


@require_GET
def look(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    dataset, path = found(dataset_id)
    with path.open() as file:
        rows = [json.loads(line) for line in islice(file, ROWS_SHOWN)]
    context = {"section": "datasets", "dataset": dataset, "rows": rows}
    return render(request, "datasets/rejected.html", context)


@require_GET
def download(request: Request, dataset_id: uuid.UUID) -> HttpResponseBase:
    dataset, path = found(dataset_id)
    name = f"{get_valid_filename(dataset.name)}-rejected.jsonl"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/jsonl")


def found(dataset_id: uuid.UUID) -> tuple[Dataset, Path]:
    dataset = get_object_or_404(Dataset.objects.ready().select_related("import_job"), pk=dataset_id)
    path = storage.rejected_path(dataset.pk)
    if not dataset.rows_set_aside or not path.exists():
        raise Http404("No row of it was set aside.")
    return dataset, path
