"""What a tokenization was asked to do, in few words: its length, and whatever does not go without saying."""

from collections.abc import Iterator, Mapping
from typing import Any

from tokenizations.option_help import DEFAULTS

CLEANING = (
    *("unicode_form", "whitespace", "min_characters", "remove_control_characters", "remove_html", "remove_urls"),
    *("remove_emails", "collapse_repeats", "lowercase"),
)
COLUMNS = ("special_tokens_mask", "assistant_mask", "position_ids", "document_ids", "length", "source_row")
# By option: its words, with its value in them, or those of each value.
WORDS: dict[str, str | dict[Any, str]] = {
    "text_column": "column {}",
    "chat": "chat",
    "template": "template",
    "chat_template": "other chat template",
    "splits": "only {}",
    "first_rows": "first {:,}",
    "sample_rows": "sample {:,}",
    "sample_seed": "seed {}",
    "packing": {"concatenate": "concatenated", "best_fit": "best fit"},
    "last_block": {"pad": "last block padded", "drop": "last block dropped"},
    "stride": "stride {:,}",
    "padding": {"max_length": "padded", "longest": "padded to the longest"},
    "padding_side": "padded at the start",
    "pad_to_multiple_of": "multiple of {:,}",
    "special_tokens": "no special tokens",
    "prepend_bos": "BOS",
    "append_eos": "EOS",
    "bos_token": "BOS {}",
    "eos_token": "EOS {}",
    "pad_token": "padding {}",
    "parse_special_tokens": "special tokens as text",
    "filter_mode": "filter {}",
    "filter_threshold": "threshold {:g}",
    "junk_characters": "junk characters",
    "remove_all_punctuation": "punctuation is junk",
    "keep_tokens": "tokens always kept",
    "min_tokens": "rows of {:,} tokens or more",
    "max_tokens": "rows of {:,} tokens or fewer",
    **dict.fromkeys(CLEANING, "cleaned"),
    "attention_mask": "no attention_mask",
    **{name: name for name in COLUMNS},
}
CUTS = {"right": "", "left": " cut left", "windows": " windows"}


def length_words(spec: Mapping[str, Any]) -> str:
    length = spec.get("max_length")
    if "max_length" not in spec:
        return "length N/A"
    if not length:
        return "whole rows"
    if spec.get("packing", "none") != "none":
        return f"blocks of {length:,} tokens"
    if spec.get("truncation") == "windows":
        return f"windows of {length:,} tokens"
    return f"up to {length:,} tokens, cut {spec.get('truncation', 'right')}"


def short_length(spec: Mapping[str, Any]) -> str:
    length = spec.get("max_length")
    if not length:
        return length_words(spec)
    if spec.get("packing", "none") != "none":
        return f"{length:,} packed"
    return f"{length:,}{CUTS.get(spec.get('truncation', 'right'), '')}"


def other_words(spec: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """What is neither the default nor `usual`, which is what this dataset and tokenizer have of their own."""
    return list(dict.fromkeys(_other_words(spec, usual)))


def _other_words(spec: Mapping[str, Any], usual: Mapping[str, Any]) -> Iterator[str]:
    for name, words in WORDS.items():
        value = spec.get(name)
        if value in (None, "", [], DEFAULTS[name], usual.get(name)) or _is_idle(name, spec, usual):
            continue
        if isinstance(words, dict):
            yield words.get(value, str(value))
        else:
            yield words.format(", ".join(value) if isinstance(value, list) else value)


def _is_idle(name: str, spec: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Whether it has no effect: for want of another option, or since all splits are all splits in any order."""
    if name == "splits":
        return sorted(spec["splits"]) == sorted(usual.get("splits", []))
    if name == "filter_threshold":
        is_filtering = spec.get("filter_mode", "none") != "none" or spec.get("junk_characters")
        return not is_filtering and not spec.get("remove_all_punctuation")
    return name == "sample_seed" and not spec.get("sample_rows")
