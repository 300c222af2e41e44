import re
from dataclasses import fields, replace

import pytest
from django.conf import settings

from datasets_app.errors import JobError
from datasets_app.forms import guessed_split, proposed_name
from datasets_app.models import Dataset
from datasets_app.page import initials
from datasets_app.templatetags import figures
from tokenizations.engine.spec import FilterMode, Packing, Spec
from tokenizations.forms import ComposerForm
from tokenizations.management.commands.tokenize import Command, spec_of
from tokenizations.option_help import OPTIONS


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


def line_of(option):
    """As docs/options.md has it."""
    values = ", ".join(
        f"`{value}` ({words if words.isupper() else words.lower()})" for value, words in option.choices.items()
    )
    said = f"{option.label}: {values}" if values and option.name != "filter_mode" else option.label
    return f"| {said} | `{option.flag}` | {option.text} | {option.default_words} |"


@pytest.mark.parametrize("name", [field.name for field in fields(Spec)])
def test_every_option_is_in_the_form_the_command_and_the_documentation(name):
    form, parser = ComposerForm(dataset=Dataset()), Command().create_parser("manage.py", "tokenize")
    documentation = (settings.BASE_DIR / "docs" / "options.md").read_text().splitlines()

    option = OPTIONS[name]
    action = next(action for action in parser._actions if action.dest == name)
    grouped = [each.name for step in form.steps for each in (*step.common, *step.rest)]

    assert grouped.count(name) == 1
    assert form.fields[name].help_text == option.text
    assert option.flag in action.option_strings
    assert option.text in action.help.replace("%%", "%")
    assert line_of(option) in documentation


def test_the_documentation_knows_no_other_options():
    documentation = (settings.BASE_DIR / "docs" / "options.md").read_text()

    parser = Command().create_parser("manage.py", "tokenize")
    known = {flag for action in parser._actions for flag in action.option_strings}

    assert set(re.findall(r"`(--[a-z-]+)", documentation)) <= known


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.choices])
def test_every_choice_has_a_name(name):
    assert set(OPTIONS[name].choices) == set(OPTIONS[name].kind)


def parsed(*arguments):
    parser = Command().create_parser("manage.py", "tokenize")
    return spec_of(vars(parser.parse_args(["letters", "bytes", *arguments])))


def test_a_command_without_flags_leaves_every_option_at_its_default():
    assert parsed() == Spec("", ())


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (["--max-length", "512"], {"max_length": 512}),
        (["--max-length", "none"], {"max_length": None}),
        (["--filter", "strict", "--threshold", "0.3"], {"filter_mode": FilterMode.STRICT, "filter_threshold": 0.3}),
        (["--text-column", "body", "--splits", "a, b"], {"text_column": "body", "splits": ("a", "b")}),
        (["--no-special-tokens", "--no-attention-mask"], {"special_tokens": False, "attention_mask": False}),
        (["--chat"], {"chat": True, "special_tokens": False}),
        (["--chat", "--special-tokens"], {"chat": True, "special_tokens": True}),
        (["--template", "{q}\n\n{a}"], {"template": "{q}\n\n{a}"}),
        (["--keep-token", "C++", "--keep-token=-x"], {"keep_tokens": ("C++", "-x")}),
        (["--packing", "best_fit", "--length"], {"packing": Packing.BEST_FIT, "length": True}),
        (["--sample-rows", "9", "--sample-seed", "-1"], {"sample_rows": 9, "sample_seed": -1}),
    ],
)
def test_flags_become_options(arguments, chosen):
    assert parsed(*arguments) == replace(Spec("", ()), **chosen)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-length", "many"], "many is not a value for --max-length. Give it a whole number, or none."),
        (["--stride", "1.5"], "1.5 is not a value for --stride. Give it a whole number."),
        (["--threshold", "half"], "half is not a value for --threshold. Give it a number such as 0.5."),
    ],
)
def test_a_flag_with_a_wrong_value_is_told_in_one_line(arguments, said):
    with pytest.raises(JobError) as error:
        parsed(*arguments)

    assert f"{error.value} {error.value.advice}" == said


def test_code_may_call_the_command_with_values():
    called = {"max_length": 64, "splits": ["a"], "packing": "concatenate", "keep_tokens": ["x"], "chat": None}

    assert spec_of(called) == Spec("", ("a",), max_length=64, packing=Packing.CONCATENATE, keep_tokens=("x",))
