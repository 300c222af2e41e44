"""The chart of lengths and the ledger of tokens, as figures."""

import pytest

from tokenizations.charts import HEIGHT, LEAST_HEIGHT, length_chart, round_up
from tokenizations.losses import losses_of, ways
from tokenizations.templatetags import results

STATISTICS = {
    "rows_in": 10,
    "rows": 6,
    "tokens_in": 100,
    "tokens_repeated": 8,
    "special_tokens": 12,
    "tokens_written": 70,
    "tokens_cut": 20,
    "tokens_dropped": 10,
    "tokens_lost": {"junk": 15, "too_many_tokens": 5},
    "rows_lost": {"junk": 2, "too_many_tokens": 1, "empty": 1},
    "padding": 26,
}
UNCHANGED = ("tokens_repeated", "special_tokens", "tokens_cut", "tokens_dropped")


def test_every_step_with_rows_has_a_bar_as_high_as_its_share_of_the_axis():
    chart = length_chart([(1, 40), (11, 20), (21, 0), (31, 10)], 3, 37)

    assert [(bar.lengths, bar.rows, bar.height) for bar in chart.bars] == [
        ("1 to 10", 40, "160.0"),
        ("11 to 20", 20, "80.0"),
        ("31 to 37", 10, "40.0"),
    ]
    assert [bar.x for bar in chart.bars] == ["0.000%", "25.000%", "75.000%"]
    assert chart.grid == [("160", 0), ("120", 10), ("80", 20), ("40", 30), ("0", 40)]
    assert chart.said == "70 rows of 3 to 37 tokens; the most, 40, have 1 to 10."


def test_a_bar_of_one_row_among_millions_can_be_seen():
    chart = length_chart([(0, 5_000_000), (1, 1)], 0, 1)

    assert float(chart.bars[1].height) == LEAST_HEIGHT
    assert float(chart.bars[1].y) == HEIGHT - LEAST_HEIGHT


def test_a_single_length_is_named_once():
    assert length_chart([(7, 3)], 7, 7).bars[0].lengths == "7"


def test_the_last_step_has_all_that_is_longer():
    chart = length_chart([(0, 40), (10, 20), (20, 3)], 3, 5_000)

    assert [(bar.lengths, bar.rows) for bar in chart.bars] == [("0 to 9", 40), ("10 to 19", 20), ("20+", 3)]
    assert chart.rest == "20+"
    assert chart.said == "63 rows of 3 to 5,000 tokens; the most, 40, have 0 to 9; 3 have 20+."


@pytest.mark.parametrize("longest", [None, 20, 29])
def test_a_last_step_as_wide_as_the_others_is_not_open(longest):
    chart = length_chart([(0, 40), (10, 20), (20, 3)], 3, longest)

    assert chart.rest == ""
    assert chart.bars[-1].lengths.startswith("20")


@pytest.mark.parametrize("count", range(2, 41))
def test_the_label_of_the_rest_has_room(count):
    chart = length_chart([(number * 10, 1) for number in range(count)], 0, 10**6)

    places = [float(x.rstrip("%")) for x, _ in chart.ticks]
    between = places[1] if len(places) > 1 else 100 / count
    assert all(length == round(place * count / 10) for place, (_, length) in zip(places, chart.ticks, strict=True))
    assert 100 - places[-1] >= between


@pytest.mark.parametrize("longest", [1, 7, 39, 40, 41, 399, 12_345])
def test_steps_of_an_earlier_version_keep_their_names(longest):
    """They went up to the longest row, forty of one width."""
    width = longest // 40 + 1
    chart = length_chart([(first, 1) for first in range(0, longest + 1, width)], 0, longest)

    assert chart.rest == ""
    assert chart.bars[-1].lengths.endswith(f"{longest:,}")


@pytest.mark.parametrize("steps", [[], [(0, 0)]])
def test_without_rows_there_is_no_chart(steps):
    assert length_chart(steps) is None


@pytest.mark.parametrize("steps", [1, 6, 7, 40])
def test_the_labels_have_room(steps):
    assert 1 <= len(length_chart([(number, 1) for number in range(steps)]).ticks) <= 6


@pytest.mark.parametrize(
    ("figure", "top"), [(1, 4), (4, 4), (5, 8), (9, 12), (13, 20), (21, 40), (7_750, 8_000), (10**9, 1_200_000_000)]
)
def test_the_axis_ends_at_a_round_figure(figure, top):
    assert round_up(figure) == top
    assert top % 4 == 0


def test_both_sides_of_the_ledger_come_to_the_same():
    losses = losses_of(STATISTICS)

    assert sum(line.tokens for line in losses.sources) == losses.total == 120
    assert sum(line.tokens for line in losses.ends) == losses.total
    assert losses.padding == 26


def test_the_ledger_names_every_way_a_token_went():
    losses = losses_of(STATISTICS)

    assert [(line.name, line.tokens, line.rows) for line in (*losses.sources, *losses.ends)] == [
        ("Came in", 100, 10),
        ("Repeated by windows", 8, None),
        ("Special tokens added", 12, None),
        ("Written", 70, 6),
        ("Filtered: empty", 0, 1),
        ("Filtered: junk", 15, 2),
        ("Filtered: too many tokens", 5, 1),
        ("Cut", 20, None),
        ("Dropped by packing", 10, None),
    ]


def test_what_did_not_happen_is_left_out():
    losses = losses_of({"tokens_in": 5, "tokens_written": 5, "tokens_cut": 0, "tokens_lost": {}, "rows": 1})

    assert [line.name for line in (*losses.sources, *losses.ends)] == ["Came in", "Written"]


def test_the_way_from_what_came_in_to_what_was_written_is_one_line():
    said = "100 came in; 8 repeated by windows; 12 special ones added; 20 left out with their rows; 20 cut; "

    assert ways(STATISTICS) == said + "10 dropped by packing"
    assert ways(STATISTICS | dict.fromkeys(UNCHANGED, 0) | {"tokens_lost": {}, "tokens_in": 70}) == "70 came in"
    assert ways({"tokens_in": 5}) == ""


@pytest.mark.parametrize("missing", ["tokens_in", "tokens_written", "tokens_cut", "tokens_lost"])
def test_without_its_figures_there_is_no_ledger(missing):
    assert losses_of({name: figure for name, figure in STATISTICS.items() if name != missing}) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [(" the", "␣the"), (":\n\n", ":↵↵"), ("\t", "⇥"), ("\u200b", "\\u200b"), ("京", "京"), (None, ""), ("", "")],
)
def test_tokens_show_what_cannot_be_seen(text, shown):
    assert results.visible(text) == shown


@pytest.mark.parametrize(
    ("spec", "text", "rows"),
    [
        ({"text_column": "body"}, "body", "all"),
        ({"text_column": "said", "chat": True, "first_rows": 1000}, "said, as chats", "the first 1,000 of each split"),
        ({"template": "{q} {a}", "sample_rows": 5}, "{q} {a}", "5 of each split at random, seed 0"),
        ({}, "N/A", "all"),
    ],
)
def test_text_and_rows_are_told_in_words(spec, text, rows):
    assert (results.text_words(spec), results.rows_words(spec)) == (text, rows)
