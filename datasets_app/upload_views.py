"""Uploads in pieces, as the page's script sends them. Answers are JSON; an error says what to do."""

import json
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from datasets_app import sending
from datasets_app.errors import JobError
from datasets_app.models import Upload
from datasets_app.names import shown_name
from datasets_app.page import Request

CREATED, NOT_FOUND, CONFLICT, INVALID = 201, 404, 409, 422
LONGEST_NAME = 1000
NAMED = 4
# In digits: an exabyte.
LONGEST_OFFSET = 18


class AnnouncedForm(forms.Form):
    name = forms.CharField(max_length=LONGEST_NAME)
    bytes = forms.IntegerField(min_value=0)
    modified = forms.IntegerField()


@require_POST
def begin(request: Request) -> HttpResponseBase:
    """Which files are to be sent; the answer says how far each of them is already."""
    try:
        files, is_folder = announced(request)
        kept, left_out = sending.chosen(files, is_folder)
        upload = sending.begin(kept, request.user)
    except JobError as error:
        return refused(error)
    if left_out:
        messages.info(request, left_out_of_folder(left_out))  # on the page that the upload leads to
    return JsonResponse({**state(upload), "places": [file.place for file in kept]}, status=CREATED)


@require_GET
def progress(request: Request, upload_id: uuid.UUID) -> HttpResponseBase:
    return JsonResponse(state(own(request, upload_id)))


@require_POST
def piece(request: Request, upload_id: uuid.UUID, number: int) -> HttpResponseBase:
    """Add the body where the file ends. 409 with where that is, if it is elsewhere than the browser thinks."""
    upload = own(request, upload_id)
    if upload.is_on_server or number >= len(upload.files):
        return JsonResponse({"error": "There is no such file."}, status=NOT_FOUND)
    file = upload.files[number]
    try:
        sent = sending.append(upload, file, offset(request), request)
    except sending.OutOfPlace:
        return JsonResponse({"sent": upload.sent(file)}, status=CONFLICT)
    except FileNotFoundError:  # removed a moment ago
        return JsonResponse({"error": "This upload was removed."}, status=NOT_FOUND)
    except JobError as error:
        return refused(error)
    upload.touch()
    is_over = sent == file["bytes"] and upload.finish()
    return JsonResponse({"sent": sent, "next": preview_of(upload) if is_over else None})


@require_POST
def remove(request: Request, upload_id: uuid.UUID) -> HttpResponseBase:
    own(request, upload_id).forget()
    return redirect("datasets:add")


def own(request: Request, upload_id: uuid.UUID) -> Upload:
    """What is on its way is nobody else's to see."""
    return get_object_or_404(Upload.objects.of(request.user), pk=upload_id)


def state(upload: Upload) -> dict[str, Any]:
    files = [{"name": file["name"], "bytes": file["bytes"], "sent": upload.sent(file)} for file in upload.files]
    over = preview_of(upload) if upload.finish() else None
    return {"url": reverse("datasets:upload", args=[upload.pk]), "files": files, "next": over}


def preview_of(upload: Upload) -> str:
    return reverse("datasets:preview", args=[upload.pk])


def refused(error: JobError) -> HttpResponseBase:
    return JsonResponse({"error": str(error), "advice": error.advice}, status=INVALID)


def left_out_of_folder(names: list[str]) -> str:
    more = len(names) - NAMED
    shown = ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"Left out, as it is hidden, empty or of another kind: {shown}."


def offset(request: Request) -> int:
    text = request.GET.get("offset", "")
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST_OFFSET:
        raise JobError("It is not said where in the file this belongs.", "Reload the page and choose the files again.")
    return int(text)


def announced(request: Request) -> tuple[list[sending.Announced], bool]:
    """JobError unless the body is {"files": [{"name", "bytes", "modified"}], "is_folder"}."""
    try:
        asked = json.loads(request.body)
        made = [AnnouncedForm(dict(file)) for file in asked["files"]]
        is_folder = bool(asked.get("is_folder"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError("It is not said which files are to come.", "Reload the page and choose them again.") from error
    for form in made:
        if not form.is_valid():
            name = shown_name(str(form.data.get("name")))
            if form.has_error("name", "max_length"):
                raise JobError(f"The name of {name} has over {LONGEST_NAME:,} characters.", "Give it a shorter one.")
            raise JobError(f"{name} cannot be sent.", "Leave it out.")
    return [sending.Announced(place, **form.cleaned_data) for place, form in enumerate(made)], is_folder
