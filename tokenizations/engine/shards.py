"""How a tokenization is cut into shards."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets_app.errors import JobError
from tokenizations.engine.columns import columns_of
from tokenizations.engine.spec import Spec

MIB = 1 << 20
SHARD_BYTES = 32 * MIB
# Rows cost something too: without it a split of a billion empty rows would be one shard.
SHARD_ROWS = 1 << 22


@dataclass(frozen=True)
class ShardPlan:
    """Row groups `first_group` up to but without `last_group` of one part; `first_row` is counted in the split.

    `rows` are the chosen ones among them, and `bytes` the text of all.
    """

    split: str
    part: str
    first_group: int
    last_group: int
    first_row: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class _Group:
    number: int
    first_row: int
    rows: int
    chosen: int
    bytes: int


def plan(
    parts: Iterable[Mapping[str, Any]], spec: Spec, max_bytes: int = SHARD_BYTES, max_rows: int = SHARD_ROWS
) -> list[ShardPlan]:
    """Cut the splits into shards of consecutive row groups with at most `max_bytes` of text, or one row group.

    `parts` are in source order, each `{"split", "name", "row_groups": [{"rows": n, "bytes": {column: text bytes}}]}`;
    a split without rows has a part without row groups. The cut depends on nothing else. Row groups at the end of a
    shard of which no row is chosen are left out. Raises JobError for a split or column that is not there.
    """
    by_split: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        by_split.setdefault(part["split"], []).append(part)
    shards = []
    for split in spec.splits:
        if split not in by_split:
            raise JobError(f"The dataset has no split called {split!r}.", f"Choose among {', '.join(by_split)}.")
        rows = sum(group["rows"] for part in by_split[split] for group in part["row_groups"])
        count, first_row = _counter(spec, split, rows), 0
        for part in by_split[split]:
            groups = _groups(part, columns_of(spec), count, first_row)
            shards += list(_cut(part, groups, max_bytes, max_rows))
            first_row += sum(group.rows for group in groups)
    return shards


def _counter(spec: Spec, split: str, split_rows: int) -> Callable[[int, int], int]:
    # How many are chosen among so many rows from some row on.
    if spec.first_rows is None and spec.sample_rows is None:
        return lambda first, rows: rows
    from tokenizations.engine.selection import Selection  # and NumPy, which most plans need not wait for

    return Selection(spec, split, split_rows).count


def _groups(
    part: Mapping[str, Any], columns: Sequence[str], count: Callable[[int, int], int], first_row: int
) -> list[_Group]:
    groups = []
    for number, group in enumerate(part["row_groups"]):
        chosen = count(first_row, group["rows"])
        groups.append(_Group(number, first_row, group["rows"], chosen, _text_bytes(part, group, columns)))
        first_row += group["rows"]
    return groups


def _cut(part: Mapping[str, Any], groups: Sequence[_Group], max_bytes: int, max_rows: int) -> Iterator[ShardPlan]:
    together: list[_Group] = []
    for group in groups:
        over = sum(one.bytes for one in together) + group.bytes > max_bytes
        if together and (over or sum(one.rows for one in together) + group.rows > max_rows):
            yield _shard(part, together)
            together = []
        if group.chosen or together:
            together.append(group)
    while together and not together[-1].chosen:
        together.pop()
    if together:
        yield _shard(part, together)


def _shard(part: Mapping[str, Any], groups: Sequence[_Group]) -> ShardPlan:
    return ShardPlan(
        part["split"],
        part["name"],
        groups[0].number,
        groups[-1].number + 1,
        groups[0].first_row,
        sum(group.chosen for group in groups),
        sum(group.bytes for group in groups),
    )


def _text_bytes(part: Mapping[str, Any], group: Mapping[str, Any], columns: Sequence[str]) -> int:
    try:
        return sum(int(group["bytes"][column]) for column in columns)
    except KeyError as missing:
        raise JobError(
            f"The split {part['split']!r} has no text column called {missing.args[0]!r}.",
            f"Choose among {', '.join(group['bytes'])}.",
        ) from None
