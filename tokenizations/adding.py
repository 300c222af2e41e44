"""Adding a tokenizer: read in a child process, stored once under the hash of its content."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction

from datasets_app import storage
from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from datasets_app.models import NAME_LENGTH
from tokenizations.models import Tokenizer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

READING_SECONDS = 60.0
SOURCE_LENGTH = 200


def add_tokenizer(name: str, paths: list[Path], source: str, user: "User | None") -> Tokenizer:
    """From a tokenizer.json, a directory, or a pair of vocab.json and merges.txt, with what lies beside it.

    JobError if they are not a usable tokenizer, or its name or its content is already here.
    """
    if not 0 < len(name) <= NAME_LENGTH:
        raise JobError(f"A tokenizer’s name has 1 to {NAME_LENGTH} characters.", "Choose another name.")
    scratch = storage.scratch_dir(f"tokenizer-{uuid.uuid4().hex}")
    try:
        copy = scratch / "tokenizer.json"
        facts = _read(paths, copy)
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


def _read(paths: list[Path], out: Path) -> dict[str, Any]:
    child = Child(
        "tokenizations.engine.child",
        memory_limit_bytes=settings.CHILD_MEMORY_BYTES,
        silence_seconds=READING_SECONDS,
    )
    try:
        request = {"read_tokenizer": [str(path.resolve()) for path in paths], "out": str(out)}
        return next(message["done"] for message in child.run(request) if message and "done" in message)
    except ChildDied as death:
        raise JobError(f"Reading the tokenizer {death}.", "Choose another tokenizer.") from death
    finally:
        child.close()


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
        raise JobError(f"There is already a tokenizer named {name}.", "Choose another name.") from error
