"""Adding a tokenizer from the Hub: ask what it is, look at the answer, have its files fetched."""

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from datasets_app.forms import NAME_IT, TokenFreeForm
from datasets_app.hub_forms import LookUpForm
from datasets_app.hub_views import INVALID, refused, shown, waiting
from datasets_app.lookups import LookUp
from datasets_app.models import NAME_LENGTH
from datasets_app.page import Request, by_htmx, wants_fragment
from tokenizations.models import Tokenizer

PAGE = "tokenizations/hub_answer.html"


class NameForm(TokenFreeForm):
    name = forms.CharField(max_length=NAME_LENGTH, label="Name", error_messages={"required": NAME_IT})

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Tokenizer.objects.filter(name=name).exists():
            raise forms.ValidationError(f"There is already a tokenizer named {name}. Choose another name.")
        return name


@require_http_methods(["GET", "POST"])
def ask(request: Request) -> HttpResponseBase:
    form = LookUpForm(request.user, LookUp.Of.TOKENIZER, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        asked = LookUp.ask(request.user, of=form.of, answer={"hint": form.hint}, **form.cleaned_data)
        return redirect("tokenizations:hub_answer", asked.pk)
    context = {"section": "tokenizers", "form": form}
    return render(request, "tokenizations/hub.html", context, status=INVALID if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
def answer(request: Request, question_id: uuid.UUID) -> HttpResponseBase:
    questions = LookUp.objects.of(request.user).select_related("token").exclude(of=LookUp.Of.DATASET)
    question = get_object_or_404(questions, pk=question_id)
    if request.method == "POST" and "cancel" in request.POST:
        return redirect("tokenizations:hub" if question.cancel() else request.path)
    context = {"section": "tokenizers", "question": question, "address": request.path} | waiting(question)
    if question.state != LookUp.State.ANSWERED:
        return shown(request, PAGE, context | refused(request, question))
    if question.of == LookUp.Of.FILES:
        messages.info(request, f"{question.answer['name']} is added.")
        added = reverse("tokenizations:tokenizers")
        return by_htmx(HttpResponseClientRedirect(added) if wants_fragment(request) else redirect(added))
    initial = {"name": question.repository.rpartition("/")[2]}
    form = NameForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        return redirect("tokenizations:hub_answer", fetched(request, question, form.cleaned_data["name"]).pk)
    return shown(request, PAGE, context | {"form": form}, INVALID if request.method == "POST" else 200)


def fetched(request: Request, question: LookUp, name: str) -> LookUp:
    """The question for the files of what this one was about."""
    return LookUp.ask(
        request.user,
        of=LookUp.Of.FILES,
        repository=question.repository,
        revision=question.revision,
        token=question.token,
        answer={"listing": question.listing, "name": name},
    )
