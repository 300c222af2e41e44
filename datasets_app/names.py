"""Names and texts that somebody else chose, fit to be stored and shown."""

import re
from typing import Any

NAME_SHOWN = 200
HALVES = re.compile("[\ud800-\udfff]")
INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def whole(text: str) -> str:
    """JSON may carry half a character (a lone surrogate), which neither a database nor a page takes."""
    return HALVES.sub("\N{REPLACEMENT CHARACTER}", text)


def all_whole(value: Any) -> Any:
    """The same for every text in what came out of JSON or YAML."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {all_whole(key): all_whole(each) for key, each in value.items()}
    return [all_whole(each) for each in value] if isinstance(value, list | tuple) else value


def shown_name(name: str) -> str:
    """Without what would turn the text around it upside down."""
    return INVISIBLE.sub("", whole(name))[-NAME_SHOWN:] or "file"
