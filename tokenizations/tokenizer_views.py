"""The tokenizers, adding one, and deleting one."""

import uuid
from pathlib import Path

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db.models import Count, Q
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from datasets_app import storage
from datasets_app.access import DELETE, can
from datasets_app.errors import JobError
from datasets_app.page import Request
from tokenizations.adding import NameTaken
from tokenizations.adding import add_tokenizer as add
from tokenizations.engine.tokenizer_config import COMPANIONS
from tokenizations.forms import PAIR, TokenizerForm
from tokenizations.models import Tokenizer

INVALID = 422


@require_GET
def list_tokenizers(request: Request) -> HttpResponseBase:
    uses = Count("tokenizations", filter=Q(tokenizations__delete_requested_at=None))
    tokenizers = Tokenizer.objects.visible().select_related("created_by").annotate(uses=uses).order_by("name")
    return render(request, "tokenizations/tokenizers.html", {"section": "tokenizers", "tokenizers": tokenizers})


@require_http_methods(["GET", "POST"])
def add_tokenizer(request: Request) -> HttpResponseBase:
    form = TokenizerForm(request.POST, request.FILES) if request.method == "POST" else TokenizerForm()
    if request.method == "POST" and form.is_valid() and (tokenizer := added(request, form)):
        messages.info(request, f"{tokenizer.name} is added.")
        return redirect("tokenizations:tokenizers")
    status = INVALID if request.method == "POST" else 200
    return render(request, "tokenizations/add_tokenizer.html", {"section": "tokenizers", "form": form}, status=status)


def added(request: Request, form: TokenizerForm) -> Tokenizer | None:
    folder = storage.scratch_dir(f"sent-{uuid.uuid4().hex}")
    try:
        paths = [named_copy(file, folder) for file in form.cleaned_data["files"]]
        return add(form.cleaned_data["name"], paths, form.source, request.user)
    except JobError as error:
        form.add_error("name" if isinstance(error, NameTaken) else "files", f"{error} {error.advice}")
        return None
    finally:
        storage.remove(folder)


def named_copy(file: TemporaryUploadedFile, folder: Path) -> Path:
    """Under the name its content goes by: what the user calls it never becomes part of a path."""
    name = (file.name or "").lower()
    target = folder / (name if name in PAIR | COMPANIONS else "tokenizer.json")
    Path(file.temporary_file_path()).replace(target)
    return target


@require_http_methods(["GET", "POST"])
def delete_tokenizer(request: Request, tokenizer_id: uuid.UUID) -> HttpResponseBase:
    tokenizer = get_object_or_404(Tokenizer.objects.visible(), pk=tokenizer_id)
    if not can(request.user, DELETE, tokenizer):
        raise PermissionDenied
    if request.method == "POST":
        try:
            tokenizer.remove()
        except JobError as error:
            messages.warning(request, f"{error} {error.advice}")
        else:
            messages.info(request, f"{tokenizer.name} is deleted.")
        return redirect("tokenizations:tokenizers")
    uses = tokenizer.tokenizations.visible().select_related("dataset")
    context = {"section": "tokenizers", "tokenizer": tokenizer, "uses": uses}
    return render(request, "tokenizations/delete_tokenizer.html", context)
