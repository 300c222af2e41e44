import pytest

from datasets_app.forms import guessed_split, proposed_name
from datasets_app.page import initials
from datasets_app.templatetags import figures


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("notes.csv", "train"),
        ("notes-test.csv", "test"),
        ("wiki_validation_01.parquet", "validation"),
        ("dev.jsonl", "validation"),
        ("latest.csv", "train"),
        ("VAL-2.txt", "validation"),
    ],
)
def test_the_split_is_guessed_from_a_word_of_the_name(name, split):
    assert guessed_split(name) == split


@pytest.mark.parametrize(
    ("name", "proposed"),
    [("notes-train.csv", "notes"), ("train.csv", "train"), ("wiki_dump_test.jsonl", "wiki_dump"), (".csv", "dataset")],
)
def test_the_name_is_proposed_without_its_split(name, proposed):
    assert proposed_name([{"name": name}]) == proposed


@pytest.mark.parametrize(
    ("name", "letters"), [("Ada Mora", "AM"), ("carl", "CA"), ("anna.b", "AB"), ("a-b-c", "AB"), ("", "")]
)
def test_initials_come_from_the_words_of_a_name(name, letters):
    assert initials(name) == letters


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "--:--"), (0, "0:00"), (65.9, "1:05"), (6328, "1:45:28"), (360_000, "100:00:00")]
)
def test_times_are_minutes_or_hours(seconds, shown):
    assert figures.clock(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (12_345, "12.3 kB"),
        (96_400_000, "96.4 MB"),
        (19.86e9, "19.86 GB"),
        (1.21e12, "1.21 TB"),
    ],
)
def test_sizes_are_decimal(count, shown):
    assert figures.size(count) == shown


@pytest.mark.parametrize(
    ("parts", "shares"),
    [
        ([1, 1, 1], ["33.4%", "33.3%", "33.3%"]),
        ([2, 1, 0], ["66.7%", "33.3%", "0.0%"]),
        ([0, 0], ["–", "–"]),
        ([999_999, 1], ["100.0%", "0.0%"]),
    ],
)
def test_shares_add_up_to_a_hundred(parts, shares):
    assert figures.shares_of(parts) == shares


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.9, "8 s"), (60, "1 minute"), (3599, "59 minutes"), (7200, "2 hours"), (90_000, "1 day")]
)
def test_ages_have_one_unit(seconds, shown):
    assert figures.span(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(None, "N/A"), (12, "12"), (5_610_446, "5.61 M"), (38_404, "38.4 k"), (2.64e9, "2.64 billion")]
)
def test_amounts_are_short(count, shown):
    assert figures.amount(count) == shown
