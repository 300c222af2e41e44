"""How a tokenization is cut into shards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets_app.errors import JobError

MIB = 1 << 20
SHARD_BYTES = 32 * MIB
# Rows cost something too: without it a split of a billion empty rows would be one shard.
SHARD_ROWS = 1 << 22


@dataclass(frozen=True)
class ShardPlan:
    """Row groups `first_group` up to but without `last_group` of one part; `first_row` is counted in the split."""

    split: str
    part: str
    first_group: int
    last_group: int
    first_row: int
    rows: int
    bytes: int


def plan(
    parts: Iterable[Mapping[str, Any]],
    splits: Sequence[str],
    column: str,
    max_bytes: int = SHARD_BYTES,
    max_rows: int = SHARD_ROWS,
) -> list[ShardPlan]:
    """Cut the splits into shards of consecutive row groups with at most `max_bytes` of text, or one row group.

    `parts` are in source order, each `{"split", "name", "row_groups": [{"rows": n, "bytes": {column: text bytes}}]}`;
    a split without rows has a part without row groups. The cut depends on nothing else.
    Raises JobError for a split or column that is not there.
    """
    by_split: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        by_split.setdefault(part["split"], []).append(part)
    shards = []
    for split in splits:
        if split not in by_split:
            raise JobError(f"The dataset has no split called {split!r}.", f"Choose among {', '.join(by_split)}.")
        first_row = 0
        for part in by_split[split]:
            for shard in _cut_part(part, column, first_row, max_bytes, max_rows):
                shards.append(shard)
                first_row += shard.rows
    return shards


def _cut_part(
    part: Mapping[str, Any], column: str, first_row: int, max_bytes: int, max_rows: int
) -> Iterator[ShardPlan]:
    first_group = rows = text_bytes = 0
    for number, group in enumerate(part["row_groups"]):
        more_rows, more_bytes = group["rows"], _text_bytes(part, group, column)
        if rows and (text_bytes + more_bytes > max_bytes or rows + more_rows > max_rows):
            yield ShardPlan(part["split"], part["name"], first_group, number, first_row, rows, text_bytes)
            first_group, first_row, rows, text_bytes = number, first_row + rows, 0, 0
        rows += more_rows
        text_bytes += more_bytes
    if rows:
        last = len(part["row_groups"])
        yield ShardPlan(part["split"], part["name"], first_group, last, first_row, rows, text_bytes)


def _text_bytes(part: Mapping[str, Any], group: Mapping[str, Any], column: str) -> int:
    try:
        return int(group["bytes"][column])
    except KeyError:
        raise JobError(
            f"The split {part['split']!r} has no text column called {column!r}.",
            f"Choose among {', '.join(group['bytes'])}.",
        ) from None
