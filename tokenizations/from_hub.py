"""Tokenizers of the Hugging Face Hub: their few files are fetched and added as any others are."""

import uuid
from typing import TYPE_CHECKING, Any

from datasets_app import storage
from datasets_app.hub_tokens import HubToken
from datasets_app.looking_up import fetch, secret_of
from datasets_app.lookups import LookUp
from tokenizations.adding import add_tokenizer
from tokenizations.models import Tokenizer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COMMIT_DIGITS = 7


def added(question: LookUp) -> dict[str, Any]:
    """Of a question for files: the answer of the one for the tokenizer, with the id of what was made of it."""
    name = question.answer["name"]
    tokenizer = add_from_hub(name, question.listing, secret_of(question), question.created_by)
    if question.token_id:
        LookUp.objects.filter(pk=question.pk).update(token=None)  # this one is answered, not refused with its token
        HubToken.objects.release(question.token_id)
    return {**question.answer, "tokenizer": str(tokenizer.pk)}


def add_from_hub(name: str, listing: dict[str, Any], token: str | None, user: "User | None") -> Tokenizer:
    """`listing` is a TokenizerListing as a dictionary. JobError for what the Hub refuses, and as `add_tokenizer`."""
    folder = storage.scratch_dir(f"hub-{uuid.uuid4().hex}")
    try:
        for file in listing["files"]:
            fetch(file, folder / file["path"], token)
        return add_tokenizer(name, [folder], f"{listing['name']} {listing['sha'][:COMMIT_DIGITS]}", user)
    finally:
        storage.remove(folder)
