import json
from dataclasses import fields
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
        ({"strides": 3}, "no option called 'strides'"),
        ({"max_length": "512"}, "'512' is not a value for max_length"),
        ({"max_length": True}, "True is not a value for max_length"),
        ({"special_tokens": 1}, "1 is not a value for special_tokens"),
        ({"filter_mode": "harsh"}, "'harsh' is not a value for filter_mode"),
        ({"splits": "train"}, "'train' is not a value for splits"),
        ({"keep_tokens": ["a", 1]}, "is not a value for keep_tokens"),
        ({"packing": "tight"}, "'tight' is not a value for packing"),
        ({"first_rows": 1.5}, "1.5 is not a value for first_rows"),
    ],
)
def test_it_refuses_what_it_does_not_know(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        spec(**values)


def test_it_refuses_a_spec_without_a_text_column() -> None:
    with pytest.raises(JobError, match="text_column is missing"):
        Spec.from_dict({"splits": ["train"]})


# Another value for each option than the one that it has by default.
OTHERS: dict[str, Any] = {
    "text_column": "body", "splits": ["test"], "first_rows": 5, "sample_rows": 5, "template": "{a}", "chat": True,
    "chat_template": "x", "unicode_form": "nfc", "remove_control_characters": True, "remove_html": True,
    "remove_urls": True, "remove_emails": True, "collapse_repeats": True, "whitespace": "all", "lowercase": True,
    "min_characters": 3, "special_tokens": False, "prepend_bos": True, "append_eos": True,
    "parse_special_tokens": False, "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
    "filter_mode": "minimal", "junk_characters": "-", "remove_all_punctuation": True, "keep_tokens": ["C++"],
    "min_tokens": 3, "max_tokens": 9, "max_length": 8, "truncation": "left", "stride": 2, "packing": "best_fit",
    "last_block": "drop", "padding": "longest", "padding_side": "left", "pad_to_multiple_of": 8,
    "attention_mask": False, "special_tokens_mask": True, "assistant_mask": True, "position_ids": True,
    "document_ids": True, "length": True, "source_row": True,
}  # fmt: skip
# These do something only together with another.
DEPENDENT = {"sample_seed", "filter_threshold"}


def test_there_is_another_value_for_every_option() -> None:
    assert OTHERS.keys() | DEPENDENT == {field.name for field in fields(Spec)}


@pytest.mark.parametrize("option", OTHERS)
def test_every_option_changes_the_fingerprint(option: str) -> None:
    assert spec(**{option: OTHERS[option]}).fingerprint("d", "t") != spec().fingerprint("d", "t")


@pytest.mark.parametrize("option", OTHERS)
def test_every_option_survives_the_way_through_json(option: str) -> None:
    chosen = spec(**{option: OTHERS[option]})

    assert Spec.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_the_seed_changes_the_fingerprint_only_where_there_is_a_sample() -> None:
    whole = {spec(sample_seed=seed).fingerprint("d", "t") for seed in (0, 1)}
    sampled = {spec(sample_rows=5, sample_seed=seed).fingerprint("d", "t") for seed in (0, 1)}

    assert (len(whole), len(sampled)) == (1, 2)


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
