from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.errors import JobError
from tests.engine_samples import patiently, spec
from tokenizations.engine.selection import BLOCK_ROWS, Selection
from tokenizations.engine.spec import Spec

ROWS = 3 * BLOCK_ROWS + 17


def chosen(options: Spec, edges: list[int], split: str = "train") -> list[int]:
    """Row by row, as shards with these edges find them."""
    selection = Selection(options, split, ROWS)
    rows: list[int] = []
    for start, stop in pairwise([0, *sorted(edges), ROWS]):
        within = selection.within(start, stop - start)
        found = range(stop - start) if within is None else within.tolist()
        assert len(found) == selection.count(start, stop - start)
        rows += [start + row for row in found]
    return rows


@patiently
@given(st.integers(1, 2 * ROWS), st.integers(0, 3), st.lists(st.integers(0, ROWS), max_size=4))
def test_a_sample_has_as_many_rows_as_asked_for_and_the_same_for_any_cut(
    size: int, seed: int, edges: list[int]
) -> None:
    options = spec(sample_rows=size, sample_seed=seed)

    rows = chosen(options, edges)

    assert rows == sorted(set(rows)) == chosen(options, [])
    assert len(rows) == min(size, ROWS)


def test_a_seed_and_a_split_have_samples_of_their_own() -> None:
    first = chosen(spec(sample_rows=100), [])

    assert first != chosen(spec(sample_rows=100, sample_seed=1), [])
    assert first != chosen(spec(sample_rows=100), [], split="test")


def test_a_sample_is_spread_over_the_split() -> None:
    rows = chosen(spec(sample_rows=ROWS // 10), [])

    for start, stop in pairwise(range(0, ROWS, BLOCK_ROWS)):
        share = sum(start <= row < stop for row in rows) / BLOCK_ROWS
        assert 0.08 < share < 0.12


@patiently
@given(st.integers(1, 2 * ROWS), st.lists(st.integers(0, ROWS), max_size=4))
def test_the_first_rows_are_the_first_for_any_cut(number: int, edges: list[int]) -> None:
    assert chosen(spec(first_rows=number), edges) == list(range(min(number, ROWS)))


def test_no_sample_is_taken_of_a_thousand_million_rows() -> None:
    with pytest.raises(JobError, match="1,000,000,000 rows, too many to take a sample of"):
        Selection(spec(sample_rows=5), "train", 10**9)
