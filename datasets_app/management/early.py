"""What a command can begin with before Django is loaded.

`import_dataset` will need a reader of files, `tokenize --here` the engine, and a tokenizer.

Which one its name meant is remembered from before. It is a guess, and harmless: what is loaded is used only if it turns
out to be what the job asks for.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets_app import children

ENGINE = "tokenizations.engine.child"
READER = "datasets_app.ingest.child"
# A small job has no more shards to share; a large one does not notice when the other children come later.
CHILDREN = 4
NAMES_KEPT = 64


def begin(arguments: Sequence[str]) -> None:
    if arguments[1:2] == ["tokenize"] and "--here" in arguments:
        count = min(settings.SLOTS, CHILDREN)
        children.start_early(ENGINE, settings.CHILD_MEMORY_BYTES, count, advance(arguments[2:]))
    if arguments[1:2] == ["import_dataset"] and "--detach" not in arguments:
        children.start_early(READER, settings.CHILD_MEMORY_BYTES, 1)


def remember(name: str, tokenizer_path: Path) -> None:
    """What this name of a tokenizer means, for the next command."""
    known = {**_known(), name: str(tokenizer_path)}
    if known != _known():
        newest = dict(list(known.items())[-NAMES_KEPT:])
        part = _file().with_name(f"{uuid.uuid4().hex}.part")
        with suppress(OSError):
            part.write_text(json.dumps(newest))
            part.replace(_file())


def advance(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What the engine may load meanwhile; None if no argument is a name that was met before."""
    known = _known()
    path = next((known[argument] for argument in reversed(arguments) if argument in known), None)
    return {"preload": path, "row_bytes": settings.REFERENCE_ROW_BYTES} if path else None


def _known() -> Mapping[str, str]:
    try:
        return {str(name): str(path) for name, path in json.loads(_file().read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _file() -> Path:
    return Path(settings.VAR) / "tokenizers-by-name.json"
