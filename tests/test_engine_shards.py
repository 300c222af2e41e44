from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.errors import JobError
from tests.engine_samples import patiently, spec
from tokenizations.engine.shards import ShardPlan, plan


def part(split: str, name: str, *groups: tuple[int, int]) -> dict[str, Any]:
    return {
        "split": split,
        "name": name,
        "row_groups": [{"rows": rows, "bytes": {"text": size}} for rows, size in groups],
    }


def test_a_shard_holds_as_many_row_groups_as_fit() -> None:
    shards = plan([part("train", "p0", (10, 16), (10, 16), (10, 1), (5, 20))], spec(), max_bytes=32)

    assert shards == [
        ShardPlan("train", "p0", 0, 2, 0, 20, 32),
        ShardPlan("train", "p0", 2, 4, 20, 15, 21),
    ]


def test_a_row_group_that_is_too_large_is_a_shard_of_its_own() -> None:
    shards = plan([part("train", "p0", (1, 5), (1, 99), (1, 5))], spec(), max_bytes=32)

    assert [(shard.first_group, shard.last_group) for shard in shards] == [(0, 1), (1, 2), (2, 3)]


def test_rows_are_numbered_through_the_parts_of_a_split() -> None:
    parts = [part("train", "p0", (3, 9)), part("test", "p0", (7, 9)), part("train", "p1", (4, 9), (2, 9))]

    shards = plan(parts, spec(splits=["train", "test"]), max_bytes=10)

    assert [(shard.split, shard.part, shard.first_row) for shard in shards] == [
        ("train", "p0", 0), ("train", "p1", 3), ("train", "p1", 7), ("test", "p0", 0),
    ]  # fmt: skip


def test_a_split_without_rows_has_no_shards() -> None:
    assert plan([part("train", "p0"), part("train", "p1", (0, 0))], spec()) == []


def test_rows_without_text_are_cut_too() -> None:
    shards = plan([part("train", "p0", *[(100, 0)] * 10)], spec(), max_rows=300)

    assert [shard.rows for shard in shards] == [300, 300, 300, 100]


def test_it_names_a_column_or_a_split_that_is_not_there() -> None:
    parts = [part("train", "p0", (1, 1))]

    with pytest.raises(JobError, match="no text column called 'body'"):
        plan(parts, spec(text_column="body"))
    with pytest.raises(JobError, match="no split called 'test'"):
        plan(parts, spec(splits=["test"]))


@patiently
@given(st.lists(st.lists(st.just((0, 0)) | st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=8), max_size=5))
def test_every_row_is_in_exactly_one_shard(groups_by_part: list[list[tuple[int, int]]]) -> None:
    parts = [part("train", str(number), *groups) for number, groups in enumerate(groups_by_part)]
    parts.append(part("train", "last", (1, 1)))

    shards = plan(parts, spec(), max_bytes=60)

    assert sum(shard.rows for shard in shards) == sum(group[0] for groups in groups_by_part for group in groups) + 1
    assert shards[0].first_row == 0
    assert all(after.first_row == before.first_row + before.rows for before, after in pairwise(shards))
    assert all(shard.bytes <= 60 for shard in shards)


def test_row_groups_without_a_chosen_row_are_left_out() -> None:
    shards = plan([part("train", "p0", (10, 5), (10, 5), (10, 5))], spec(first_rows=12))

    assert [(shard.first_group, shard.last_group, shard.rows, shard.bytes) for shard in shards] == [(0, 2, 12, 10)]


def test_a_template_counts_the_text_of_all_its_columns() -> None:
    groups = [{"rows": 2, "bytes": {"question": 7, "answer": 5, "other": 100}}]
    parts = [{"split": "train", "name": "p0", "row_groups": groups}]

    assert plan(parts, spec(text_column="", template="{question} {answer}"))[0].bytes == 12
