"""An import of only the first rows of each split: what its files brought beyond that is left out again."""

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from django.db.models import F

from datasets_app import storage
from datasets_app.models import ImportShard
from datasets_app.slots import Keep

StagedPart = dict[str, Any]


def shares(parts: list[StagedPart], most: int) -> list[tuple[StagedPart, int]]:
    """Of each split the parts with its first `most` rows, and how many rows of each are among them."""
    left: dict[str, int] = {}
    chosen = []
    for part in parts:
        rows = min(part["rows"], left.setdefault(part["split"], most))
        left[part["split"]] -= rows
        if rows:
            chosen.append((part, rows))
    return chosen


def cut(parts: list[StagedPart], most: int, staging: Path, keep: Keep) -> list[StagedPart]:
    """Those parts; the last one of a split is written anew where it has too many rows."""
    return [
        part if rows == part["rows"] else {**part, **written_anew(part, rows, staging, keep)}
        for part, rows in shares(parts, most)
    ]


def written_anew(part: StagedPart, rows: int, staging: Path, keep: Keep) -> dict[str, Any]:
    stem = f"first-{Path(part['name']).stem}"
    for earlier in staging.glob(f"{stem}*"):  # of an attempt that was cut short: it may have its final name, too
        storage.remove(earlier)
    request = {"do": "cut", "path": str(staging / part["name"]), "rows": rows, "out": str(staging), "stem": stem}
    made: dict[str, Any] = keep.ask(request)["part"]
    return made


def recount(parts: list[StagedPart], job_id: uuid.UUID) -> None:
    """What the shards say of themselves, for the rows that are left."""
    rows: Counter[int] = Counter()
    for part in parts:
        rows[part["shard"]] += part["rows"]
    for shard in ImportShard.objects.filter(job=job_id):
        left = rows[shard.pk]
        changed = {"kept": left, "processed": left + shard.errored, "version": F("version") + 1}
        ImportShard.objects.filter(pk=shard.pk).update(**changed)
