"""Which options go together. Each fault has the option to change and says what is wrong with it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.engine_samples import spec
from tokenizations.engine.rules import LONGEST_MAX_LENGTH, OptionError, Traits, check, resolved, special_count
from tokenizations.engine.spec import Spec

# One with everything, and one with nothing but text.
FULL = Traits(
    specials_added=2,
    roles={"bos": "<s>", "eos": "</s>", "pad": "<pad>"},
    special_tokens=frozenset({"<s>", "</s>", "<pad>", "<mask>"}),
    chat_template="{% for message in messages %}{{ message.content }}{% endfor %}",
)
BARE = Traits()
MARKED = "{% for m in messages %}{%- generation -%}{{ m.content }}{% endgeneration %}{% endfor %}"
A_CHAT: dict[str, Any] = {"chat": True, "special_tokens": False}
WINDOWS: dict[str, Any] = {"max_length": 16, "truncation": "windows"}
BLOCKS: dict[str, Any] = {"max_length": 16, "packing": "concatenate"}
BINS: dict[str, Any] = {"max_length": 16, "packing": "best_fit"}

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"splits": []}, "splits", "must be at least one"),
    ({"splits": ["a", "a"]}, "splits", "each only once"),
    ({"first_rows": 5, "sample_rows": 5}, "sample_rows", "cannot be had at once"),
    ({"first_rows": 0}, "first_rows", "No row would be left."),
    ({"sample_rows": 0}, "sample_rows", "No row would be left."),
    ({"sample_rows": 5, "sample_seed": -1}, "sample_seed", "A seed cannot be negative."),
    ({"sample_rows": 1 << 60}, "sample_rows", "is too large a number."),
    ({"junk_characters": "a\0"}, "junk_characters", "that are no text."),
    ({"template": "{a}\ud800"}, "template", "that are no text."),
    ({"keep_tokens": ["\0"]}, "keep_tokens", "that are no text."),
    ({"text_column": ""}, "text_column", "No text column was chosen."),
    (A_CHAT | {"template": "{a}"}, "template", "A template of columns and a chat cannot be had at once."),
    ({"chat_template": "x"}, "chat_template", "but the rows are not read as chats."),
    ({"assistant_mask": True}, "assistant_mask", "Only chats have an assistant to mask."),
    (A_CHAT | {"assistant_mask": True}, "assistant_mask", "does not mark what the assistant says"),
    ({"min_characters": -1}, "min_characters", "fewer than 0 characters"),
    ({"chat": True}, "special_tokens", "The chat template writes the special tokens itself."),
    (A_CHAT | {"parse_special_tokens": False}, "parse_special_tokens", "would be taken for plain text"),
    ({"prepend_bos": True, "bos_token": "<no>"}, "bos_token", "'<no>' is not a special token of this tokenizer."),
    ({"append_eos": True, "eos_token": "the"}, "eos_token", "'the' is not a special token of this tokenizer."),
    (BLOCKS | {"last_block": "pad", "pad_token": "x"}, "pad_token", "'x' is not a special token"),
    ({"bos_token": "<s>"}, "bos_token", "A token for start of text was named, but nothing is to be done with it."),
    ({"eos_token": "</s>"}, "eos_token", "A token for end of text was named, but nothing is to be done with it."),
    ({"pad_token": "<pad>"}, "pad_token", "A token for padding was named, but nothing is to be done with it."),
    (A_CHAT | {"pad_token": "<pad>"}, "pad_token", "A token for padding was named"),
    (BLOCKS | {"pad_token": "<pad>"}, "pad_token", "A token for padding was named"),
    ({"filter_threshold": 0}, "filter_threshold", "is not over 0 and at most 1"),
    ({"filter_threshold": 1.01}, "filter_threshold", "is not over 0 and at most 1"),
    ({"filter_threshold": float("nan")}, "filter_threshold", "is not over 0 and at most 1"),
    ({"keep_tokens": ["C++"]}, "keep_tokens", "no filter is chosen"),
    ({"min_tokens": -1}, "min_tokens", "fewer than 0 tokens"),
    ({"max_tokens": 0}, "max_tokens", "No row can have that few tokens and enough of them."),
    ({"min_tokens": 9, "max_tokens": 8}, "max_tokens", "No row can have that few tokens and enough of them."),
    ({"truncation": "left"}, "max_length", "Nothing is cut without a maximum length."),
    ({"truncation": "windows"}, "max_length", "Nothing is cut without a maximum length."),
    ({"max_length": 1}, "max_length", "A maximum length of 1 is not possible."),
    ({"max_length": LONGEST_MAX_LENGTH + 1}, "max_length", "A maximum length of 1,048,577 is not possible."),
    ({"max_length": 2}, "max_length", "has no room for text: 2 tokens are special"),
    ({"max_length": 4, "prepend_bos": True, "append_eos": True}, "max_length", "4 tokens are special"),
    ({"max_length": 16, "stride": 4}, "stride", "Only windows have a stride."),
    (WINDOWS | {"stride": 14}, "stride", "A stride of 14 does not fit windows with room for 14 tokens of text."),
    (WINDOWS | {"stride": 2048}, "stride", "A stride of 2,048 does not fit"),
    (WINDOWS | {"stride": -1}, "stride", "A stride of -1 does not fit"),
    ({"packing": "concatenate"}, "max_length", "Packing needs to know how long a block is."),
    ({"packing": "best_fit"}, "max_length", "Packing needs to know how long a block is."),
    (BLOCKS | {"truncation": "left"}, "truncation", "are not cut one by one"),
    (BLOCKS | {"truncation": "windows"}, "truncation", "are not cut one by one"),
    ({"last_block": "drop"}, "last_block", "Only concatenated documents have a last block."),
    (BINS | {"last_block": "pad"}, "last_block", "Only concatenated documents have a last block."),
    ({"position_ids": True}, "position_ids", "Without packing every row is one document"),
    ({"document_ids": True}, "document_ids", "Without packing every row is one document"),
    ({"padding": "max_length"}, "max_length", "Padding to the maximum length needs one."),
    (BLOCKS | {"padding": "max_length"}, "padding", "Concatenated blocks are full but for the last one."),
    (BINS | {"padding": "longest"}, "padding", "Packed blocks have one length to be padded to"),
    ({"padding_side": "left"}, "padding_side", "Rows are not padded, and a last block only at its end."),
    (BLOCKS | {"last_block": "pad", "padding_side": "left"}, "padding_side", "a last block only at its end"),
    ({"pad_to_multiple_of": 8}, "pad_to_multiple_of", "Nothing is padded, so there is no multiple to pad to."),
    ({"padding": "longest", "pad_to_multiple_of": 0}, "pad_to_multiple_of", "cannot be padded to that multiple"),
    (
        {"max_length": 10, "padding": "longest", "pad_to_multiple_of": 8},
        "pad_to_multiple_of",
        "Rows would be padded to more than the maximum length.",
    ),
    (BINS | {"padding": "max_length", "pad_to_multiple_of": 8}, "pad_to_multiple_of", "have the maximum length"),
]
LACKING: list[tuple[dict[str, Any], str, str]] = [
    (A_CHAT, "chat_template", "This tokenizer has no chat template of its own."),
    ({"prepend_bos": True}, "bos_token", "has no token for start of text."),
    ({"append_eos": True}, "eos_token", "has no token for end of text."),
    (BLOCKS, "eos_token", "has no token for end of text."),
    ({"padding": "longest"}, "pad_token", "has no token for padding."),
    ({"append_eos": True, "eos_token": "</s>"}, "eos_token", "'</s>' is not a special token of this tokenizer."),
]
FINE: list[dict[str, Any]] = [
    {},
    {"first_rows": 1},
    {"sample_rows": 1, "sample_seed": 9},
    {"text_column": "", "template": "{a} {b}"},
    A_CHAT,
    A_CHAT | {"chat_template": MARKED, "assistant_mask": True},
    A_CHAT | {"bos_token": "<mask>", "eos_token": "<mask>"},
    BLOCKS | {"eos_token": "<mask>"},
    {"prepend_bos": True, "append_eos": True, "bos_token": "<mask>"},
    {"filter_mode": "strict", "filter_threshold": 1, "keep_tokens": ["C++"]},
    {"junk_characters": "-", "keep_tokens": ["--"]},
    {"remove_all_punctuation": True, "keep_tokens": ["--"]},
    {"min_tokens": 8, "max_tokens": 8},
    {"max_length": 3},
    {"max_length": 2, "special_tokens": False},
    {"max_length": LONGEST_MAX_LENGTH},
    {"max_length": 16, "truncation": "left"},
    WINDOWS | {"stride": 13},
    BLOCKS | {"last_block": "pad", "position_ids": True},
    BINS | {"padding": "max_length", "document_ids": True},
    {"padding": "longest", "pad_to_multiple_of": 8, "padding_side": "left"},
    {"max_length": 16, "padding": "max_length"},
]


def fault(values: dict[str, Any], traits: Traits) -> OptionError:
    with pytest.raises(OptionError) as caught:
        check(resolved(spec(**values), traits), traits)
    return caught.value


@pytest.mark.parametrize(("values", "option", "said"), FAULTS)
def test_it_refuses_what_makes_no_sense(values: dict[str, Any], option: str, said: str) -> None:
    error = fault(values, FULL)

    assert (error.option, said in str(error)) == (option, True), str(error)
    assert error.advice.endswith(".")


@pytest.mark.parametrize(("values", "option", "said"), LACKING)
def test_it_refuses_what_a_tokenizer_has_not(values: dict[str, Any], option: str, said: str) -> None:
    error = fault(values, BARE)

    assert (error.option, said in str(error)) == (option, True), str(error)


@pytest.mark.parametrize("values", FINE)
def test_it_accepts_what_goes_together(values: dict[str, Any]) -> None:
    check(resolved(spec(**values), FULL), FULL)


def test_what_is_advised_for_packed_blocks_is_not_refused_again() -> None:
    refused = BINS | {"max_length": 16, "padding": "max_length", "pad_to_multiple_of": 8}

    assert fault(refused, FULL).advice == "Leave the multiple empty, and choose a maximum length that is one."
    check(resolved(spec(**refused | {"pad_to_multiple_of": None}), FULL), FULL)


def test_every_fault_of_the_rules_has_a_test() -> None:
    """By their sentences, as far as those are the same for every value."""
    source = (Path(__file__).resolve().parent.parent / "tokenizations/engine/rules.py").read_text()
    sentences = re.findall(r'^ {8,}"([A-Z].+\.)",$', source, re.MULTILINE)
    errors = [fault(values, FULL) for values, _, _ in FAULTS] + [fault(values, BARE) for values, _, _ in LACKING]
    said = {words for error in errors for words in (str(error), error.advice)}

    assert len(sentences) > 40
    assert set(sentences) - said == set()


@pytest.mark.parametrize(
    ("traits", "advice"),
    [
        (BARE, "Choose another tokenizer, or do without it."),
        (Traits(special_tokens=frozenset({"<a>", "<b>"})), "Name one of its special tokens: <a>, <b>."),
        (
            Traits(special_tokens=frozenset(f"<{letter}>" for letter in "abcdefgh")),
            "Name one of its special tokens: <a>, <b>, <c>, <d>, <e>, <f>, ….",
        ),
    ],
)
def test_it_says_what_to_take_for_a_token_that_is_not_there(traits: Traits, advice: str) -> None:
    assert fault({"padding": "longest"}, traits).advice == advice


def test_a_spec_gets_what_the_tokenizer_has_of_its_own() -> None:
    filled = resolved(spec(**A_CHAT, **BLOCKS, prepend_bos=True, last_block="pad"), FULL)

    assert (filled.bos_token, filled.eos_token, filled.pad_token) == ("<s>", "</s>", "<pad>")
    assert filled.chat_template == FULL.chat_template


def test_what_was_chosen_stays() -> None:
    chosen = spec(append_eos=True, eos_token="<mask>")

    assert resolved(chosen, FULL).eos_token == "<mask>"
    assert resolved(spec(**A_CHAT, chat_template="x"), FULL).chat_template == "x"


def test_what_is_not_needed_is_not_filled_in() -> None:
    assert resolved(spec(), FULL) == spec()


def test_resolving_twice_changes_nothing() -> None:
    once = resolved(spec(**A_CHAT, **BLOCKS), FULL)

    assert resolved(once, FULL) == once


@pytest.mark.parametrize(
    ("values", "count"),
    [({}, 2), ({"special_tokens": False}, 0), ({"prepend_bos": True}, 3), ({"append_eos": True}, 3), (BLOCKS, 3)],
)
def test_it_counts_the_special_tokens_that_a_row_may_get(values: dict[str, Any], count: int) -> None:
    assert special_count(spec(**values), FULL) == count


def test_the_defaults_suit_a_tokenizer_that_has_nothing() -> None:
    check(Spec("text", ("train",)), BARE)
