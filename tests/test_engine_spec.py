from typing import Any

import pytest

from datasets_app.errors import JobError
from tests.engine_samples import spec
from tokenizations.engine.spec import FILTER_MODES, FilterMode, Spec


def test_a_spec_survives_the_way_through_json() -> None:
    original = spec(splits=["train", "test"], max_length=512, filter_mode="standard", filter_threshold=0.3)

    assert Spec.from_dict(original.to_dict()) == original
    assert original.to_dict()["filter_mode"] == "standard"


def test_missing_options_take_their_defaults() -> None:
    assert spec() == Spec("text", ("train",))
    assert spec().filter_mode == FilterMode.NONE


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 3}, "no option called 'stride'"),
        ({"max_length": "512"}, "'512' is not a value for max_length"),
        ({"max_length": True}, "True is not a value for max_length"),
        ({"special_tokens": 1}, "1 is not a value for special_tokens"),
        ({"filter_mode": "harsh"}, "'harsh' is not a value for filter_mode"),
        ({"splits": "train"}, "'train' is not a value for splits"),
    ],
)
def test_it_refuses_what_it_does_not_know(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        spec(**values)


def test_it_refuses_a_spec_without_a_text_column() -> None:
    with pytest.raises(JobError, match="text_column is missing"):
        Spec.from_dict({"splits": ["train"]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text_column": ""}, "No text column"),
        ({"splits": []}, "at least one"),
        ({"splits": ["a", "a"]}, "only once"),
        ({"max_length": 1}, "maximum length of 1 is not possible"),
        ({"max_length": 1_048_577}, "1,048,577 is not possible"),
        ({"max_length": 2}, "has no room for text: 2 tokens are special"),
        ({"filter_threshold": 0}, "threshold"),
        ({"filter_threshold": 1.01}, "threshold"),
        ({"filter_threshold": float("nan")}, "threshold"),
    ],
)
def test_it_refuses_choices_that_make_no_sense(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        spec(**values).validate(num_special_tokens=2)


@pytest.mark.parametrize(
    "values", [{"max_length": 3}, {"max_length": 2, "special_tokens": False}, {"max_length": 1 << 20}]
)
def test_it_accepts_every_length_with_room_for_text(values: dict[str, Any]) -> None:
    spec(**values).validate(num_special_tokens=2)


@pytest.mark.parametrize(
    "values",
    [
        {"text_column": "body"},
        {"splits": ["test"]},
        {"max_length": 8},
        {"special_tokens": False},
        {"attention_mask": False},
        {"filter_mode": "minimal"},
    ],
)
def test_every_option_changes_the_fingerprint(values: dict[str, Any]) -> None:
    assert spec(**values).fingerprint("dataset", "tokenizer") != spec().fingerprint("dataset", "tokenizer")


def test_the_threshold_changes_the_fingerprint_only_where_there_is_a_filter() -> None:
    unfiltered = {spec(filter_threshold=share).fingerprint("d", "t") for share in (0.2, 0.5)}
    filtered = {spec(filter_mode="strict", filter_threshold=share).fingerprint("d", "t") for share in (0.2, 0.5)}

    assert len(unfiltered) == 1
    assert len(filtered) == 2


def test_the_fingerprint_names_the_dataset_and_the_tokenizer_too() -> None:
    prints = {spec().fingerprint(dataset, tokenizer) for dataset in "ab" for tokenizer in "ab"}

    assert len(prints) == 4
    assert all(len(one) == 64 for one in prints)


def test_the_order_of_the_splits_makes_no_other_tokenization() -> None:
    assert spec(splits=["a", "b"]).fingerprint("d", "t") == spec(splits=["b", "a"]).fingerprint("d", "t")


def test_the_modes_are_in_order_of_severity() -> None:
    assert [str(mode) for mode in FILTER_MODES] == [
        "none", "minimal", "conservative", "standard", "aggressive", "strict",
    ]  # fmt: skip
