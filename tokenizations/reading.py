"""What the file of a tokenizer says, read in a child process: it may come from anybody."""

from pathlib import Path
from typing import Any

from django.conf import settings

from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from tokenizations.engine.roles import ROLES
from tokenizations.engine.rules import OptionError

READING_SECONDS = 60.0
AS_AN_EXAMPLE = 'Write them as in {"eos": "</s>"}.'


def read_in_child(request: dict[str, Any]) -> dict[str, Any]:
    """The answer of an engine child. JobError if the file is not a usable tokenizer."""
    child = Child(
        "tokenizations.engine.child",
        memory_limit_bytes=settings.CHILD_MEMORY_BYTES,
        silence_seconds=READING_SECONDS,
    )
    try:
        return next(message["done"] for message in child.run(request) if message and "done" in message)
    except ChildDied as death:
        raise JobError(f"Reading the tokenizer {death}.", "Choose another tokenizer.") from death
    finally:
        child.close()


def check_roles(roles: Any, tokenizer_path: Path) -> None:
    """Raise OptionError unless it gives each of some ROLES a token that is in the vocabulary."""
    if not isinstance(roles, dict) or not all(isinstance(token, str) for token in roles.values()):
        raise OptionError("roles", "These are not roles with a token each.", AS_AN_EXAMPLE)
    if unknown := [role for role in roles if role not in ROLES]:
        raise OptionError("roles", f"There is no role called {unknown[0]!r}.", f"Choose from: {', '.join(ROLES)}.")
    if roles and (missing := _missing(list(roles.values()), tokenizer_path)):
        raise OptionError("roles", f"{missing[0]!r} is not in this tokenizer's vocabulary.", "Name a token that is.")


def _missing(tokens: list[str], tokenizer_path: Path) -> list[str]:
    try:
        found: list[str] = read_in_child({"missing_tokens": tokens, "tokenizer": str(tokenizer_path)})["missing"]
    except JobError as error:
        raise OptionError("roles", str(error), error.advice) from error
    return found
