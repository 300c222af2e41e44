"""Adding a dataset: send the files, look at their first rows, import."""

import uuid
from typing import Any

from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from datasets_app import uploads
from datasets_app.errors import JobError
from datasets_app.forms import ImportForm, UploadForm, proposed_name
from datasets_app.importing import TEXT_TYPES
from datasets_app.ingest.source import TextRows
from datasets_app.models import Dataset, Upload, create_dataset
from datasets_app.page import Request, by_htmx, wants_fragment

INVALID = 422


@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponseBase:
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST" and form.is_valid():
        upload = uploads.receive(form.cleaned_data["files"], request.user)
        return redirect("datasets:preview", upload.pk)
    status = INVALID if request.method == "POST" else 200
    return render(request, "datasets/add.html", {"section": "datasets", "form": form}, status=status)


@require_http_methods(["GET", "POST"])
def preview(request: Request, upload_id: uuid.UUID) -> HttpResponseBase:
    upload = own_upload(request, upload_id)
    if started := Dataset.objects.visible().filter(import_job__upload=upload).first():
        return redirect(started)
    text_rows = wanted_text_rows(request)
    previews = uploads.previews(upload, text_rows)
    form = import_form(request, upload, previews, text_rows)
    if request.method == "POST" and form.is_valid() and (dataset := start_import(form, upload, request)):
        return redirect(dataset)
    context = {"section": "datasets", "upload": upload, "previews": previews, "form": form, "text_rows": text_rows}
    context["is_readable"] = not any(preview.problem for preview in previews)
    context["hidden_files"] = upload.files[uploads.PREVIEWED_FILES :]
    template = "datasets/_previews.html" if wants_fragment(request) else "datasets/preview.html"
    return by_htmx(render(request, template, context, status=INVALID if request.method == "POST" else 200))


def own_upload(request: Request, upload_id: uuid.UUID) -> Upload:
    """What is not imported yet is nobody else's to see."""
    upload = get_object_or_404(Upload, pk=upload_id)
    if upload.created_by_id != request.user.pk:
        raise Http404("There is no such upload.")
    return upload


def wanted_text_rows(request: Request) -> str:
    asked = (request.POST or request.GET).get("text_rows")
    return asked if asked in set(TextRows) else TextRows.LINES.value


def import_form(request: Request, upload: Upload, previews: list[uploads.Preview], text_rows: str) -> ImportForm:
    columns = list(dict.fromkeys(name for seen in previews for name, kind in seen.columns if kind in TEXT_TYPES))
    initial: dict[str, Any] = {
        "name": proposed_name(upload.files),
        "text_column": next((seen.text_column for seen in previews if seen.text_column), ""),
        "text_rows": text_rows,
    }
    # what has been typed already comes along when the preview is drawn again
    initial |= {name: value for name, value in request.GET.items() if name.startswith("split_")}
    data = request.POST if request.method == "POST" else None
    return ImportForm(data, files=upload.files, columns=columns, initial=initial)


def start_import(form: ImportForm, upload: Upload, request: Request) -> Dataset | None:
    files = [
        {**file, "path": str(upload.path(file)), "split": split}
        for file, split in zip(upload.files, form.splits, strict=True)
    ]
    try:
        return create_dataset(
            form.cleaned_data["name"],
            Dataset.Source.UPLOAD,
            files,
            created_by=request.user,
            text_column=form.cleaned_data["text_column"],
            upload=upload,
            options={"text": form.cleaned_data.get("text_rows") or TextRows.LINES.value},
        )
    except JobError as error:
        form.add_error("name", f"{error} {error.advice}")
        return None
