"""Adding a tokenizer: read in a child process, stored once under the hash of its content."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from datasets_app import storage
from datasets_app.errors import JobError, refuse_token
from datasets_app.models import NAME_LENGTH
from tokenizations.models import Tokenizer
from tokenizations.reading import read_in_child

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SOURCE_LENGTH = 200


class NameTaken(JobError):
    """By another tokenizer."""


def add_tokenizer(name: str, paths: list[Path], source: str, user: "User | None") -> Tokenizer:
    """From a tokenizer.json, a directory, or a pair of vocab.json and merges.txt, with what lies beside it.

    JobError if they are not a usable tokenizer, or its content is already here; NameTaken if its name is. Its chat
    template may need what only some rows have: it is tried when it is used.
    """
    if not 0 < len(name) <= NAME_LENGTH:
        raise JobError(f"A tokenizer’s name has 1 to {NAME_LENGTH} characters.", "Choose another name.")
    refuse_token(name)
    scratch = storage.scratch_dir(f"tokenizer-{uuid.uuid4().hex}")
    try:
        copy = scratch / "tokenizer.json"
        facts = read_in_child({"read_tokenizer": [str(path.resolve()) for path in paths], "out": str(copy)})
        target = storage.tokenizer_path(facts["sha256"])
        for file in scratch.iterdir():  # and what the child has found out about it
            storage.publish(file, target.with_name(file.name))
    finally:
        storage.remove(scratch)
    try:
        return _record(name, facts, source, user)
    except JobError:
        if not Tokenizer.objects.filter(sha256=facts["sha256"]).exists():
            storage.remove(storage.tokenizer_path(facts["sha256"]).parent)
        raise


def _record(name: str, facts: dict[str, Any], source: str, user: "User | None") -> Tokenizer:
    try:
        with transaction.atomic():
            return Tokenizer.objects.create(
                name=name,
                sha256=facts["sha256"],
                kind=facts["kind"],
                vocabulary_size=facts["vocab_size"],
                largest_id=facts["max_id"],
                special_tokens=facts["special_tokens"],
                specials_added=facts["num_special_tokens_added"],
                roles=facts["roles"],
                chat_template=facts["chat_template"],
                source=source[:SOURCE_LENGTH],
                created_by=user,
            )
    except IntegrityError as error:
        if same := Tokenizer.objects.filter(sha256=facts["sha256"]).first():
            raise JobError(f"This tokenizer is already here as {same.name}.", "Use that one.") from error
        raise NameTaken(f"There is already a tokenizer named {name}.", "Choose another name.") from error
