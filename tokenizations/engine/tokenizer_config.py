"""What the files beside a tokenizer.json say: its own tokens for start, end and padding, and its chat template.

They are read for nothing else; above all, nothing that they name is loaded or run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datasets_app.errors import JobError
from tokenizations.engine.roles import ROLES

CONFIG = "tokenizer_config.json"
TOKENS_MAP = "special_tokens_map.json"
JINJA = "chat_template.jinja"
TEMPLATE_JSON = "chat_template.json"
# The former go before the latter, as in transformers.
WITH_ROLES = (CONFIG, TOKENS_MAP)
WITH_TEMPLATE = (TEMPLATE_JSON, CONFIG)
COMPANIONS = frozenset({CONFIG, TOKENS_MAP, JINJA, TEMPLATE_JSON})
TEMPLATE = "chat_template"
DEFAULT = "default"
ADVICE = "Get the file again from where it comes from, or leave it out."


@dataclass(frozen=True)
class Companions:
    """`roles` are as the files have them: None for what a tokenizer shall not have, no key for what is not said."""

    roles: Mapping[str, str | None] = field(default_factory=dict)
    chat_template: str = ""


def read_companions(contents: Mapping[str, bytes]) -> Companions:
    """From the bytes of some of the COMPANIONS, by name. Raises JobError for a file that is not what it should be."""
    objects = {name: _object(name, data) for name, data in contents.items() if name != JINJA}
    return Companions(_roles(objects), _chat_template(objects, contents.get(JINJA)))


def _roles(objects: Mapping[str, dict[str, Any]]) -> dict[str, str | None]:
    roles: dict[str, str | None] = {}
    for name in WITH_ROLES:
        for role in ROLES:
            key = f"{role}_token"
            if role not in roles and key in objects.get(name, {}):
                roles[role] = _token(name, key, objects[name][key])
    return roles


def _token(name: str, key: str, value: Any) -> str | None:
    content = value.get("content") if isinstance(value, dict) else value
    if content is not None and not isinstance(content, str):
        raise JobError(f"The {key} in {name} is not a text.", ADVICE)
    return content or None


def _chat_template(objects: Mapping[str, dict[str, Any]], jinja: bytes | None) -> str:
    if jinja is not None:
        return _text(JINJA, jinja)
    for name in WITH_TEMPLATE:
        if (value := objects.get(name, {}).get(TEMPLATE)) is not None:
            return _template(name, value)
    return ""


def _template(name: str, value: Any) -> str:
    if isinstance(value, list):  # several with names, of which the others are for tools and documents
        named = [item for item in value if isinstance(item, dict)]
        value = next((item.get("template") for item in named if item.get("name") == DEFAULT), "")
    if not isinstance(value, str):
        raise JobError(f"The chat_template in {name} is not a text.", ADVICE)
    return value


def _object(name: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(_text(name, data))
    except (ValueError, RecursionError):
        raise JobError(f"{name} is not valid JSON.", ADVICE) from None
    if not isinstance(value, dict):
        raise JobError(f"{name} is not a JSON object.", ADVICE)
    return value


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise JobError(f"{name} is not UTF-8 text.", ADVICE) from None
