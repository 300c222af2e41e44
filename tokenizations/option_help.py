"""What every option of a tokenization is called and does: for the form, the command and the documentation alike."""

from dataclasses import dataclass, fields
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from tokenizations.engine.spec import (
    FilterMode,
    LastBlock,
    Packing,
    Padding,
    Side,
    Spec,
    Truncation,
    UnicodeForm,
    Whitespace,
)

KINDS = get_type_hints(Spec)
DEFAULTS = {field.name: field.default for field in fields(Spec)}
CHOICES: dict[Any, dict[Any, str]] = {
    UnicodeForm: {UnicodeForm.KEEP: "As it is", UnicodeForm.NFC: "NFC", UnicodeForm.NFKC: "NFKC"},
    Whitespace: {
        Whitespace.KEEP: "As it is",
        Whitespace.LINES: "Narrow, lines stay",
        Whitespace.ALL: "One line",
    },
    FilterMode: {mode: mode.value.capitalize() for mode in FilterMode},
    Truncation: {
        Truncation.RIGHT: "Cut at the end",
        Truncation.LEFT: "Cut at the start",
        Truncation.WINDOWS: "Overlapping windows",
    },
    Packing: {
        Packing.NONE: "No packing",
        Packing.CONCATENATE: "One after the other",
        Packing.BEST_FIT: "Best fit, no row split",
    },
    LastBlock: {LastBlock.KEEP: "Keep it short", LastBlock.PAD: "Pad it", LastBlock.DROP: "Drop it"},
    Padding: {
        Padding.NONE: "No padding",
        Padding.MAX_LENGTH: "To the maximum length",
        Padding.LONGEST: "To the longest of 1,000 rows",
    },
    Side: {Side.RIGHT: "Right", Side.LEFT: "Left"},
}


@dataclass(frozen=True)
class Option:
    """`text` says what it does; `empty` what it means to leave it out, where no value of its type says that."""

    name: str
    label: str
    text: str
    empty: str = ""
    own_flag: str = ""

    @property
    def flag(self) -> str:
        return self.own_flag or f"--{self.name.replace('_', '-')}"

    @property
    def kind(self) -> Any:
        """The type of its value, or of each where there are several; None apart."""
        return next((kind for kind in get_args(KINDS[self.name]) if kind not in (NoneType, ...)), KINDS[self.name])

    @property
    def is_list(self) -> bool:
        return get_origin(KINDS[self.name]) is tuple

    @property
    def default(self) -> Any:
        return DEFAULTS[self.name]

    @property
    def choices(self) -> dict[StrEnum, str]:
        """What its values are called, where it has a few."""
        return CHOICES.get(self.kind, {})

    @property
    def default_words(self) -> str:
        if self.empty:
            return self.empty
        if self.kind is bool:
            return "on" if self.default else "off"
        return str(self.default)


@dataclass(frozen=True)
class Group:
    """`text` says what holds while all of its options are at their defaults."""

    title: str
    text: str
    options: tuple[Option, ...]


GROUPS = (
    Group(
        "Text",
        "What becomes the tokens of a row.",
        (
            Option("text_column", "Column", "The column to tokenize.", "the dataset’s own"),
            Option(
                "chat",
                "The rows are chats",
                "The column holds lists of messages, and a chat template makes one text of each.",
            ),
            Option(
                "template",
                "Template of columns",
                "Makes one text of several columns, such as {question} {answer}; {{ and }} stand for braces.",
                "none",
            ),
            Option("chat_template", "Chat template", "In Jinja; it is run in a sandbox.", "the tokenizer’s own"),
        ),
    ),
    Group(
        "Rows",
        "All rows of the chosen splits.",
        (
            Option("splits", "Splits", "The splits to tokenize.", "all"),
            Option("first_rows", "First rows", "Takes so many rows from the start of each split.", "all rows"),
            Option("sample_rows", "Random sample", "Takes so many rows of each split, drawn at random.", "all rows"),
            Option("sample_seed", "Seed", "The same seed draws the same rows."),
        ),
    ),
    Group(
        "Length",
        "In tokens; special ones count too.",
        (
            Option("max_length", "Up to, in tokens", "What is longer is cut, or written as windows.", "whole rows"),
            Option("truncation", "Longer rows", "Which end of a longer row is cut, or windows over all of it."),
            Option("stride", "Stride", "How many tokens a window has in common with the one before it."),
        ),
    ),
    Group(
        "Special tokens",
        "Never doubled.",
        (
            Option(
                "special_tokens",
                "Add the tokenizer’s special tokens",
                "As its own template puts them around a row.",
            ),
            Option("prepend_bos", "Put BOS before each row", "The token for the start of text."),
            Option("append_eos", "Put EOS after each row", "The token for the end of text."),
            Option(
                "parse_special_tokens",
                "Special tokens in the text count as such",
                "Off: they are tokenized like any other text.",
            ),
            Option("bos_token", "BOS token", "Stands for the start of text.", "the tokenizer’s own"),
            Option("eos_token", "EOS token", "Stands for the end of text.", "the tokenizer’s own"),
            Option("pad_token", "Padding token", "Fills up what is padded.", "the tokenizer’s own"),
        ),
    ),
    Group(
        "Filter",
        "A row goes when its share of junk tokens reaches the threshold. Each mode includes the one above it.",
        (
            Option("filter_mode", "Filter", "Which tokens are junk.", own_flag="--filter"),
            Option(
                "filter_threshold",
                "Threshold",
                "A row is dropped from this share of junk tokens on.",
                own_flag="--threshold",
            ),
            Option("min_tokens", "Fewest tokens", "Rows with fewer tokens are dropped."),
            Option("max_tokens", "Most tokens", "Rows with more tokens are dropped, before any cut.", "any number"),
            Option("junk_characters", "Junk characters", "Tokens with any of these are junk too.", "none"),
            Option("keep_tokens", "Always keep", "Tokens that are never junk.", "none", own_flag="--keep-token"),
            Option(
                "remove_all_punctuation",
                "All punctuation is junk",
                "Tokens with any punctuation mark are junk, in every mode.",
            ),
        ),
    ),
    Group(
        "Cleaning",
        "All off. Code and line breaks stay as they are.",
        (
            Option(
                "unicode_form",
                "Unicode form",
                "NFC composes characters; NFKC also makes plain ones of variants, such as fi of ﬁ.",
            ),
            Option(
                "whitespace",
                "White space",
                "One space for each run of it, within lines and after their indentation, or over the whole text.",
            ),
            Option("min_characters", "Fewest characters", "Shorter texts are dropped, counted after cleaning."),
            Option(
                "remove_control_characters",
                "Remove control characters",
                "All but tabs and newlines.",
            ),
            Option("remove_html", "Remove HTML", "Tags go, and entities become their characters."),
            Option(
                "remove_urls", "Remove web addresses", "Those with http, https or ftp, and those that start with www."
            ),
            Option("remove_emails", "Remove e-mail addresses", "Such as name@example.org."),
            Option(
                "collapse_repeats",
                "Shorten repeats",
                "Three of a letter or sign where five or more follow each other; digits and brackets stay.",
            ),
            Option("lowercase", "Lower case", "All letters become small ones."),
        ),
    ),
    Group(
        "Packing",
        "Every row is written by itself.",
        (
            Option(
                "packing",
                "Packing",
                "Fills blocks of the maximum length: with EOS after each row and cuts anywhere, or with whole rows.",
            ),
            Option("last_block", "Last block", "What becomes of the last block of a shard, which is rarely full."),
        ),
    ),
    Group(
        "Padding",
        "Nothing is padded.",
        (
            Option("padding", "Padding", "Makes rows equally long."),
            Option("padding_side", "Side", "Where the padding goes."),
            Option("pad_to_multiple_of", "Multiple of", "Rounds the padded length up, such as to 8.", "any length"),
        ),
    ),
    Group(
        "Columns",
        "input_ids and attention_mask.",
        (
            Option("attention_mask", "attention_mask", "1 for tokens, 0 for padding."),
            Option("special_tokens_mask", "special_tokens_mask", "1 for special tokens that were added."),
            Option("assistant_mask", "assistant_mask", "1 for what the assistant says in a chat."),
            Option("position_ids", "position_ids", "Positions that begin anew with each document of a block."),
            Option("document_ids", "document_ids", "Which document of its block a token belongs to."),
            Option("length", "length", "How many tokens a row has, without padding."),
            Option("source_row", "source_row", "The row of the dataset that it was made of."),
        ),
    ),
)
OPTIONS = {option.name: option for group in GROUPS for option in group.options}
