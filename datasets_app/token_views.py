"""A person's own tokens for the Hub: added, listed by their ends, deleted."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from datasets_app.hub_tokens import HubToken
from datasets_app.page import Request, by_htmx, wants_fragment
from datasets_app.token_forms import HubTokenForm

INVALID = 422
CONFLICT = 409


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@never_cache
def tokens(request: Request) -> HttpResponseBase:
    if request.method != "POST":
        return answer(request)
    form = HubTokenForm(request.user, request.POST)
    if not (form.is_valid() and (token := form.store())):
        return answer(request, form, status=INVALID)
    return told(request, f"{token} is added.")


@require_POST
def delete(request: Request, token_id: uuid.UUID) -> HttpResponseBase:
    token = HubToken.objects.of(request.user).filter(pk=token_id).first()
    if token and token.delete()[0]:
        return told(request, f"{token} is deleted.")
    if wants_fragment(request):
        return answer(request, note="This token is not there any more.", status=CONFLICT)
    raise Http404("There is no such token.")


def told(request: Request, note: str) -> HttpResponseBase:
    if wants_fragment(request):
        return answer(request, note=note)
    messages.info(request, note)
    return redirect("datasets:tokens")


def answer(request: Request, form: HubTokenForm | None = None, note: str = "", status: int = 200) -> HttpResponse:
    template = "accounts/_tokens.html" if wants_fragment(request) else "accounts/tokens.html"
    tokens = HubToken.objects.of(request.user).defer("ciphertext")
    context = {"tokens": tokens, "form": form or HubTokenForm(request.user), "note": note}
    return by_htmx(render(request, template, context, status=status))
