"""Tokenizers of the Hugging Face Hub: their few files are fetched and added as any others are."""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datasets_app import storage
from datasets_app.errors import Cancelled
from datasets_app.hub_tokens import HubToken
from datasets_app.looking_up import fetch, secret_of
from datasets_app.lookups import LookUp
from tokenizations.adding import add_tokenizer
from tokenizations.models import Tokenizer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COMMIT_DIGITS = 7
REPORT_SECONDS = 1.0


def added(question: LookUp) -> dict[str, Any]:
    """Of a question for files: the answer of the one for the tokenizer, with the id of what was made of it."""
    name, told = question.answer["name"], time.monotonic()

    def report(received: int, waiting: int) -> None:
        nonlocal told
        if time.monotonic() - told >= REPORT_SECONDS:
            told = time.monotonic()
            if not question.report(received=received, waiting=waiting):
                raise Cancelled

    tokenizer = add_from_hub(name, question.listing, secret_of(question), question.created_by, report)
    if question.token_id:
        LookUp.objects.filter(pk=question.pk).update(token=None)  # this one is answered, not refused with its token
        HubToken.objects.release(question.token_id)
    return {**question.answer, "tokenizer": str(tokenizer.pk)}


def add_from_hub(
    name: str,
    listing: dict[str, Any],
    token: str | None,
    user: "User | None",
    hear: Callable[[int, int], None] = lambda *_: None,
) -> Tokenizer:
    """`listing` is a TokenizerListing as a dictionary. JobError for what the Hub refuses, and as `add_tokenizer`.

    `hear` as of `fetch`.
    """
    folder = storage.scratch_dir(f"hub-{uuid.uuid4().hex}")
    try:
        fetch(listing["files"], folder, token, hear)
        return add_tokenizer(name, [folder], f"{listing['name']} {listing['sha'][:COMMIT_DIGITS]}", user)
    finally:
        storage.remove(folder)
