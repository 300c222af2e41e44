"""Everything a user may choose about a tokenization, in one frozen value that goes from the form to the engine."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from datasets_app.errors import JobError

# Part of every fingerprint: raise it when the same choices come to mean other bytes.
FORMAT_VERSION = 1
SHORTEST_MAX_LENGTH = 2
LONGEST_MAX_LENGTH = 1_048_576


class FilterMode(StrEnum):
    """Which tokens count as junk; every mode includes the junk of the ones before it."""

    NONE = "none"
    MINIMAL = "minimal"
    CONSERVATIVE = "conservative"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"
    STRICT = "strict"


FILTER_MODES = tuple(FilterMode)


@dataclass(frozen=True)
class Spec:
    """`max_length` counts tokens with the special ones; None writes every row whole.

    `filter_threshold` is the share of junk tokens from which on a row is dropped.
    """

    text_column: str
    splits: tuple[str, ...]
    max_length: int | None = None
    special_tokens: bool = True
    attention_mask: bool = True
    filter_mode: FilterMode = FilterMode.NONE
    filter_threshold: float = 0.5

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Missing options take their defaults; raises JobError for what it cannot be."""
        if unknown := sorted(set(values) - {field.name for field in fields(cls)}):
            raise JobError(f"There is no option called {unknown[0]!r}.", "Leave it out.")
        wrong = sorted(name for name, value in values.items() if not _TYPES[name](value))
        if wrong:
            raise JobError(f"{values[wrong[0]]!r} is not a value for {wrong[0]}.", "Look up the option's values.")
        if missing := sorted({"text_column", "splits"} - set(values)):
            raise JobError(f"The option {missing[0]} is missing.", "Say which text to tokenize.")
        converted = dict(values)
        converted["splits"] = tuple(values["splits"])
        if "filter_mode" in values:
            converted["filter_mode"] = FilterMode(values["filter_mode"])
        if "filter_threshold" in values:
            converted["filter_threshold"] = float(values["filter_threshold"])
        return cls(**converted)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"splits": list(self.splits), "filter_mode": str(self.filter_mode)}

    def fingerprint(self, dataset_fingerprint: str, tokenizer_sha256: str) -> str:
        """The identity of the result, 64 hexadecimal digits: same fingerprint, same bytes (for the same versions).

        Options at their defaults are left out, so that one added later changes no old fingerprint; so is what has
        no effect on the bytes.
        """
        chosen = {
            field.name: value
            for field, value in zip(fields(self), self.to_dict().values(), strict=True)
            if value != field.default
        }
        chosen["splits"] = sorted(self.splits)
        if self.filter_mode == FilterMode.NONE:
            chosen.pop("filter_threshold", None)
        identity = {
            "format": FORMAT_VERSION,
            "dataset": dataset_fingerprint,
            "tokenizer": tokenizer_sha256,
            "spec": chosen,
        }
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def validate(self, num_special_tokens: int) -> None:
        """Raise JobError for choices that make no sense, given how many special tokens the tokenizer adds to a row."""
        if not self.text_column:
            raise JobError("No text column was chosen.", "Choose the column to tokenize.")
        if not self.splits or len(set(self.splits)) != len(self.splits):
            raise JobError("The splits must be at least one, and each only once.", "Choose the splits to tokenize.")
        if not 0 < self.filter_threshold <= 1:
            raise JobError(
                f"The filter threshold {self.filter_threshold} is not over 0 and at most 1.",
                "Choose a share of junk tokens, such as 0.5.",
            )
        self._validate_max_length(num_special_tokens if self.special_tokens else 0)

    def _validate_max_length(self, num_special_tokens: int) -> None:
        if self.max_length is None:
            return
        if not SHORTEST_MAX_LENGTH <= self.max_length <= LONGEST_MAX_LENGTH:
            raise JobError(
                f"A maximum length of {self.max_length:,} is not possible.",
                f"Choose one from {SHORTEST_MAX_LENGTH} to {LONGEST_MAX_LENGTH:,}, or none.",
            )
        if self.max_length <= num_special_tokens:
            raise JobError(
                f"A maximum length of {self.max_length} has no room for text: {num_special_tokens} tokens are special.",
                f"Choose at least {num_special_tokens + 1}, or no special tokens.",
            )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "text_column": lambda value: isinstance(value, str),
    "splits": _is_list_of_texts,
    "max_length": lambda value: value is None or _is_integer(value),
    "special_tokens": lambda value: isinstance(value, bool),
    "attention_mask": lambda value: isinstance(value, bool),
    "filter_mode": lambda value: isinstance(value, str) and value in set(FilterMode),
    "filter_threshold": lambda value: _is_integer(value) or isinstance(value, float),
}
