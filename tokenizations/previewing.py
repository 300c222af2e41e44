"""What the first rows of a dataset become, made in a child process: templates are not for the web server to run."""

from dataclasses import dataclass
from typing import Any

from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from datasets_app.models import Dataset
from tokenizations.engine.spec import Spec

# Less than a shard gets: somebody is waiting in front of the page.
MEMORY_BYTES = 2 << 30
SECONDS = 10.0


@dataclass(frozen=True)
class PreviewedRow:
    """`problem` is why there is no text."""

    text: str = ""
    problem: str = ""


def previewed(dataset: Dataset, spec: Spec, rows: int) -> list[PreviewedRow]:
    """The texts of the first rows. JobError if they cannot be made."""
    part = dataset.parts.order_by("pk").first()
    if part is None:
        return []
    child = Child("tokenizations.engine.child", memory_limit_bytes=MEMORY_BYTES, silence_seconds=SECONDS)
    request = {"preview": {"spec": spec.to_dict(), "part": str(part.path), "rows": rows}}
    try:
        done: Any = next(message["done"] for message in child.run(request) if message and "done" in message)
    except ChildDied as death:
        raise JobError(
            f"The first rows cannot be shown: making their texts {death}.", "Try simpler options."
        ) from death
    finally:
        child.close()
    return [PreviewedRow(**row) for row in done["texts"]]
