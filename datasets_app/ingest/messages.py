"""Columns that hold chats: lists of messages, each with who speaks and what is said."""

import re

# How the fields of a message are called: by OpenAI and Hugging Face, and by ShareGPT.
ROLE_KEYS = (("role", "content"), ("from", "value"))
TEXTS = ("string", "large_string")
MESSAGES = re.compile(r"(?:large_)?list<\w+: struct<(.*)>>")


def is_messages(kind: str) -> bool:
    """Whether this, an Arrow type as text, is that of a column of messages."""
    return message_keys(kind) is not None


def message_keys(kind: str) -> tuple[str, str] | None:
    """The names of the fields for the speaker and the words, or None for a column of something else."""
    found = MESSAGES.fullmatch(kind.replace(" not null", ""))
    if found is None:
        return None
    fields = dict(field.split(": ", 1) for field in _fields(found[1]))
    return next((keys for keys in ROLE_KEYS if all(fields.get(key) in TEXTS for key in keys)), None)


def _fields(inside: str) -> list[str]:
    """The fields of a struct, as text; commas within nested types do not part them."""
    fields, depth, start = [], 0, 0
    for place, character in enumerate(inside):
        depth += (character == "<") - (character == ">")
        if character == "," and not depth:
            fields.append(inside[start:place].strip())
            start = place + 1
    return [field for field in [*fields, inside[start:].strip()] if ": " in field]
