"""Adding a dataset: send the files, look at their first rows, import; and again with changes where that failed."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from datasets_app import races, sending, server_files, storage, uploads
from datasets_app.access import CONTROL, can
from datasets_app.creating import create_dataset, replace_dataset
from datasets_app.errors import JobError
from datasets_app.forms import ImportForm, ReadingForm, RowsForm, ServerFilesForm, UploadForm, proposed_name
from datasets_app.hub_forms import LookUpForm
from datasets_app.importing import TEXT_TYPES, how_to_read
from datasets_app.job_views import too_late
from datasets_app.jobs import RETRIABLE
from datasets_app.lookups import LookUp
from datasets_app.models import Dataset, Import, Upload
from datasets_app.page import Request, by_htmx, wants_fragment

INVALID = 422
# The name of the button that draws the first rows again where no script does.
LOOK = "look"


@require_http_methods(["GET", "POST"])
def add(request: Request) -> HttpResponseBase:
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST" and form.is_valid() and (upload := received(form, request)):
        return redirect("datasets:preview", upload.pk)
    return ways(request, form, ServerFilesForm())


@require_POST
def add_server_files(request: Request) -> HttpResponseBase:
    """Files that lie on the server already, in the folders that its settings name."""
    form = ServerFilesForm(request.POST)
    if form.is_valid() and (upload := named(form, request)):
        return redirect("datasets:preview", upload.pk)
    return ways(request, UploadForm(), form)


def ways(request: Request, form: UploadForm, server_form: ServerFilesForm) -> HttpResponseBase:
    """The page with every way to bring files in; with what is on its way already."""
    context = {
        "section": "datasets",
        "form": form,
        "server_form": server_form,
        "hub_form": LookUpForm(request.user, LookUp.Of.DATASET),
        "import_dirs": settings.IMPORT_DIRS,
        "waiting": [upload for upload in Upload.objects.of(request.user).waiting() if not upload.is_on_server],
    }
    return render(request, "datasets/add.html", context, status=INVALID if request.method == "POST" else 200)


def received(form: UploadForm, request: Request) -> Upload | None:
    """None if the form has an error now."""
    files = form.cleaned_data["files"]
    try:
        sending.check_room(request.user, sum(file.size for file in files), is_here=storage.has_scratch())
    except JobError as error:
        form.add_error("files", f"{error} {error.advice}")
        return None
    return uploads.receive(files, request.user)


def named(form: ServerFilesForm, request: Request) -> Upload | None:
    """None if the form has an error now."""
    try:
        files, left_out = server_files.find(form.cleaned_data["path"])
    except JobError as error:
        form.add_error("path", f"{error} {error.advice}")
        return None
    for said in left_out:
        messages.warning(request, said)
    return Upload.objects.create(created_by=request.user, files=files)


@require_http_methods(["GET", "POST"])
def preview(request: Request, upload_id: uuid.UUID) -> HttpResponseBase:
    upload = own_upload(request, upload_id)
    if started := dataset_of(upload):
        return redirect(started)
    return choose(request, upload)


@require_http_methods(["GET", "POST"])
def change(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    """Retry with changes: what failed gives its place to another import of the same files."""
    failed = Import.objects.filter(pk=job_id).select_related("dataset__created_by", "upload").first()
    if failed and not can(request.user, CONTROL, failed):
        raise PermissionDenied
    if failed is None or failed.delete_requested_at:
        return replaced(request, failed) or too_late(request, job_id, "change", JobError("There is no such import."))
    if failed.status not in RETRIABLE:
        return overtaken(request, failed)
    if failed.upload:
        return choose(request, failed.upload, failed)
    if failed.dataset.source == Dataset.Source.HUB:
        return choose(request, Downloaded.by(failed), failed)
    raise Http404("Its files were not uploaded.")


@dataclass
class Downloaded:
    """The files of the Hub that an import reads, as an upload has its own."""

    files: list[dict[str, Any]]

    @classmethod
    def by(cls, job: Import) -> Self:
        return cls(list(job.shards.order_by("index").values("name", "path", "split", "kind", bytes=F("bytes_total"))))

    def path(self, file: dict[str, Any]) -> Path:
        return Path(file["path"])


def choose(request: Request, upload: Upload | Downloaded, failed: Import | None = None) -> HttpResponseBase:
    """What is to become of the upload; of what `failed` the choices are there to be changed."""
    options = wanted_options(request, failed)
    previews = uploads.previews(upload, how_to_read(options))
    form = import_form(request, upload, previews, options, failed)
    is_look = LOOK in request.POST
    if request.method == "POST" and not is_look and form.is_valid():
        if dataset := start_import(form, upload, request, failed):
            return redirect(dataset)
        if failed and form.is_valid():  # nothing is wrong with the choices
            return change(request, failed.pk)
    context: dict[str, Any] = {"section": "datasets", "upload": upload, "previews": previews}
    context |= {"form": form, "failed": failed}
    context["is_readable"] = not any(preview.problem for preview in previews)
    context["hidden_files"] = upload.files[uploads.PREVIEWED_FILES :]
    context["redrawn"] = wants_fragment(request)
    template = "datasets/_redrawn.html" if wants_fragment(request) else "datasets/preview.html"
    status = INVALID if request.method == "POST" and not is_look else 200
    return by_htmx(render(request, template, context, status=status))


def own_upload(request: Request, upload_id: uuid.UUID) -> Upload:
    """What is not imported yet is nobody else's to see."""
    upload = get_object_or_404(Upload, pk=upload_id, is_whole=True)
    if upload.created_by_id != request.user.pk:
        raise Http404("There is no such upload.")
    if upload.is_on_server and not all(storage.is_importable(Path(file["path"])) for file in upload.files):
        raise Http404("Its files no longer lie where they may be imported from.")
    return upload


def dataset_of(upload: Upload | None) -> Dataset | None:
    return Dataset.objects.visible().filter(import_job__upload=upload).first() if upload else None


def replaced(request: Request, failed: Import | None) -> HttpResponseBase | None:
    """Lead to the import that has taken the place of this one, if there is one."""
    dataset = dataset_of(failed.upload) if failed else None
    if dataset is None:
        return None
    messages.info(request, "It is imported again already: this is it.")
    return redirect(dataset)


def overtaken(request: Request, job: Import) -> HttpResponseBase:
    messages.warning(request, races.lost(job, "change", request.user))
    return redirect(job.dataset)


def wanted_options(request: Request, failed: Import | None) -> dict[str, Any]:
    earlier = failed.options if failed else {}
    asked = (request.POST or request.GET).dict()
    return ReadingForm(earlier | {"text_rows": earlier.get("text", "")} | asked).options


def import_form(
    request: Request,
    upload: Upload | Downloaded,
    previews: list[uploads.Preview],
    options: dict[str, Any],
    failed: Import | None,
) -> RowsForm:
    columns = list(dict.fromkeys(name for seen in previews for name, kind in seen.columns if kind in TEXT_TYPES))
    initial: dict[str, Any] = {
        "text_column": next((seen.text_column for seen in previews if seen.text_column), ""),
        "text_rows": options["text"],
        "bad_rows": 0,
        **options,
    }
    if failed:
        initial |= earlier_choices(failed)
    else:
        initial["name"] = proposed_name(upload.files)
    # what has been typed already comes along when the preview is drawn again
    initial |= {name: value for name, value in request.GET.items() if name == "name" or name.startswith("split_")}
    if request.GET.get("text_column") in columns:
        initial["text_column"] = request.GET["text_column"]
    data = request.POST if request.method == "POST" else None
    if isinstance(upload, Downloaded):  # it keeps its name and its splits
        return RowsForm(data, files=upload.files, columns=columns, initial=initial)
    replaced = failed.dataset if failed else None
    return ImportForm(data, files=upload.files, columns=columns, initial=initial, replaced=replaced)


def earlier_choices(failed: Import) -> dict[str, Any]:
    splits = failed.shards.order_by("index").values_list("split", flat=True)
    of_files = {f"split_{number}": split for number, split in enumerate(splits)}
    return {"name": failed.dataset.name, "text_column": failed.dataset.text_column, **of_files}


def start_import(
    form: RowsForm, upload: Upload | Downloaded, request: Request, failed: Import | None
) -> Dataset | None:
    """None if the form has an error now, or somebody was faster with what failed."""
    if not isinstance(form, ImportForm) or not isinstance(upload, Upload):
        assert failed, "what came from the Hub has been imported in vain"
        return go_on(form, request, failed)
    files = [
        {**file, "path": str(upload.path(file)), "split": split}
        for file, split in zip(upload.files, form.splits, strict=True)
    ]
    name = form.cleaned_data["name"]
    choices: dict[str, Any] = {
        "text_column": form.cleaned_data["text_column"],
        "upload": upload,
        "options": form.options,
    }
    try:
        if failed:
            return replace_dataset(failed, request.user, name, files, **choices)
        return create_dataset(name, upload.source, files, created_by=request.user, **choices)
    except JobError as error:
        form.add_error("name", f"{error} {error.advice}")
        return None


def go_on(form: RowsForm, request: Request, failed: Import) -> Dataset | None:
    """None if somebody was faster."""
    first_rows = {name: value for name, value in failed.options.items() if name == "rows"}
    is_ours = failed.change(request.user, form.cleaned_data["text_column"], form.options | first_rows)
    return failed.dataset if is_ours else None
