"""Everything a user may choose about a tokenization, in one frozen value that goes from the form to the engine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, Self, get_args, get_origin, get_type_hints

from datasets_app.errors import JobError

# Part of every fingerprint: raise it when the same choices come to mean other bytes.
FORMAT_VERSION = 2


class FilterMode(StrEnum):
    """Which tokens count as junk; every mode includes the junk of the ones before it."""

    NONE = "none"
    MINIMAL = "minimal"
    CONSERVATIVE = "conservative"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"
    STRICT = "strict"


class UnicodeForm(StrEnum):
    """A normalization form of Unicode (UAX #15)."""

    KEEP = "keep"
    NFC = "nfc"
    NFKC = "nfkc"


class Whitespace(StrEnum):
    """`LINES` makes one space of every run within a line and keeps the newlines; `ALL` makes one line of a text."""

    KEEP = "keep"
    LINES = "lines"
    ALL = "all"


class Truncation(StrEnum):
    """What happens to a row over `max_length`: cut at its end, at its start, or written as overlapping windows."""

    RIGHT = "right"
    LEFT = "left"
    WINDOWS = "windows"


class Padding(StrEnum):
    """`LONGEST` is that of each thousand rows, as `datasets.map(batched=True)` has it by default."""

    NONE = "none"
    MAX_LENGTH = "max_length"
    LONGEST = "longest"


class Side(StrEnum):
    RIGHT = "right"
    LEFT = "left"


class Packing(StrEnum):
    """`CONCATENATE` ends every document with EOS and cuts the stream into blocks; `BEST_FIT` splits no document."""

    NONE = "none"
    CONCATENATE = "concatenate"
    BEST_FIT = "best_fit"


class LastBlock(StrEnum):
    """What becomes of the last block of a shard, which is rarely full."""

    KEEP = "keep"
    PAD = "pad"
    DROP = "drop"


FILTER_MODES = tuple(FilterMode)


@dataclass(frozen=True)
class Spec:
    """Rows are chosen, made one text each, cleaned, encoded, filtered, cut, framed, packed, padded: in this order.

    `rules.check` says which options go together, and `rules.resolved` fills in what a tokenizer has of its own.
    """

    text_column: str
    splits: tuple[str, ...]

    # Which rows, of each split
    first_rows: int | None = None
    sample_rows: int | None = None
    sample_seed: int = 0

    # Their text: the column itself, `{columns}` in a template, or messages through a Jinja template
    template: str = ""
    chat: bool = False
    chat_template: str = ""

    # Cleaning
    unicode_form: UnicodeForm = UnicodeForm.KEEP
    remove_control_characters: bool = False
    remove_html: bool = False
    remove_urls: bool = False
    remove_emails: bool = False
    collapse_repeats: bool = False
    whitespace: Whitespace = Whitespace.KEEP
    lowercase: bool = False
    min_characters: int = 0

    # Special tokens: those of the tokenizer's own template, others around a row, and those written in a text
    special_tokens: bool = True
    prepend_bos: bool = False
    append_eos: bool = False
    parse_special_tokens: bool = True
    bos_token: str = ""
    eos_token: str = ""
    pad_token: str = ""

    # Filter: a row is dropped from this share of junk tokens on; a row without any junk never is
    filter_mode: FilterMode = FilterMode.NONE
    filter_threshold: float = 0.5
    junk_characters: str = ""
    remove_all_punctuation: bool = False
    keep_tokens: tuple[str, ...] = ()
    min_tokens: int = 0
    max_tokens: int | None = None

    # Length, in tokens with the special ones; None writes every row whole
    max_length: int | None = None
    truncation: Truncation = Truncation.RIGHT
    stride: int = 0

    packing: Packing = Packing.NONE
    last_block: LastBlock = LastBlock.KEEP

    padding: Padding = Padding.NONE
    padding_side: Side = Side.RIGHT
    pad_to_multiple_of: int | None = None

    # Columns beside input_ids
    attention_mask: bool = True
    special_tokens_mask: bool = False
    assistant_mask: bool = False
    position_ids: bool = False
    document_ids: bool = False
    length: bool = False
    source_row: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Missing options take their defaults; raises JobError for what it cannot be."""
        kinds = _kinds()
        if unknown := sorted(set(values) - set(kinds)):
            raise JobError(f"There is no option called {unknown[0]!r}.", "Leave it out.")
        if missing := sorted({"text_column", "splits"} - set(values)):
            raise JobError(f"The option {missing[0]} is missing.", "Say which text to tokenize.")
        return cls(**{name: _converted(name, kinds[name], values[name]) for name in sorted(values)})

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON: lists for tuples, plain strings for choices."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @property
    def is_filtering(self) -> bool:
        """Whether there are junk tokens at all."""
        return self.filter_mode != FilterMode.NONE or bool(self.junk_characters) or self.remove_all_punctuation

    @property
    def is_padding(self) -> bool:
        return self.padding != Padding.NONE or (
            self.packing == Packing.CONCATENATE and self.last_block == LastBlock.PAD
        )

    @property
    def is_one_to_one(self) -> bool:
        """Whether every kept row is one sequence."""
        return self.packing == Packing.NONE and self.truncation != Truncation.WINDOWS

    def fingerprint(self, dataset_fingerprint: str, tokenizer_sha256: str) -> str:
        """The identity of the result, 64 hexadecimal digits: same fingerprint, same bytes (for the same versions).

        Options at their defaults are left out, so that one added later changes no old fingerprint; so is what has
        no effect on the bytes.
        """
        chosen = {
            field.name: value
            for field, value in zip(fields(self), self.to_dict().values(), strict=True)
            if value != _plain(field.default)
        }
        chosen["splits"] = sorted(self.splits)
        if not self.is_filtering:
            chosen.pop("filter_threshold", None)
        if self.sample_rows is None:
            chosen.pop("sample_seed", None)
        identity = {
            "format": FORMAT_VERSION,
            "dataset": dataset_fingerprint,
            "tokenizer": tokenizer_sha256,
            "spec": chosen,
        }
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(Spec)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, StrEnum) else value


def _converted(name: str, kind: Any, value: Any) -> Any:
    try:
        return _as(kind, value)
    except (TypeError, ValueError):
        raise JobError(f"{value!r} is not a value for {name}.", "Look up the option’s values.") from None


def _as(kind: Any, value: Any) -> Any:
    """Strict, but for whole numbers where any number will do. Raises TypeError or ValueError."""
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise TypeError
        return tuple(_as(str, item) for item in value)
    if options := [option for option in get_args(kind) if option is not NoneType]:
        return None if value is None else _as(options[0], value)
    if issubclass(kind, StrEnum):
        return kind(_as(str, value))
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError
    return value
