"""Which options go together, and with which tokenizer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from datasets_app.errors import JobError
from tokenizations.engine.spec import LastBlock, Packing, Padding, Side, Spec, Truncation

SHORTEST_MAX_LENGTH = 2
LONGEST_MAX_LENGTH = 1_048_576
# Every program that reads JSON can hold it, and so can every column of numbers.
LARGEST_NUMBER = 2**53 - 1
# What a chat template says around the words of the assistant, so that they can be told from the rest.
GENERATION_MARK = "generation"
BOS, EOS, PAD = "bos", "eos", "pad"


class OptionError(JobError):
    """`option` is the field of the spec to change."""

    def __init__(self, option: str, text: str, advice: str) -> None:
        super().__init__(text, advice)
        self.option = option


@dataclass(frozen=True)
class Traits:
    """What of a tokenizer decides which options it can be used with.

    `specials_added` is how many special tokens its own template puts around a row, `roles` its own tokens for bos, eos
    and pad, as far as it has them, and `special_tokens` the contents of all its special tokens.
    """

    specials_added: int = 0
    roles: Mapping[str, str] = field(default_factory=dict)
    special_tokens: frozenset[str] = frozenset()
    chat_template: str = ""


def resolved(spec: Spec, traits: Traits) -> Spec:
    """With the tokenizer's own tokens and chat template where they are needed and none were chosen."""
    ends_documents = spec.append_eos or spec.packing == Packing.CONCATENATE

    def token(role: str, chosen: str, *, is_needed: bool) -> str:
        return chosen or (traits.roles.get(role, "") if is_needed else "")

    return replace(
        spec,
        chat_template=(spec.chat_template or traits.chat_template) if spec.chat else spec.chat_template,
        bos_token=token(BOS, spec.bos_token, is_needed=spec.prepend_bos or spec.chat),
        eos_token=token(EOS, spec.eos_token, is_needed=ends_documents or spec.chat),
        pad_token=token(PAD, spec.pad_token, is_needed=spec.is_padding),
    )


def check(spec: Spec, traits: Traits) -> None:
    """Raise OptionError for the first thing that makes no sense. The spec has to be resolved."""
    for is_wrong, option, text, advice in _faults(spec, traits):
        if is_wrong:
            raise OptionError(option, text, advice)


Fault = tuple[bool, str, str, str]


def _faults(spec: Spec, traits: Traits) -> Iterator[Fault]:
    yield from _values(spec)
    yield from _rows(spec)
    yield from _text(spec)
    yield from _tokens(spec, traits)
    yield from _filter(spec)
    yield from _length(spec, traits)
    yield from _packing(spec)
    yield from _padding(spec)


def _values(spec: Spec) -> Iterator[Fault]:
    for option, value in vars(spec).items():
        yield (
            isinstance(value, int) and abs(value) > LARGEST_NUMBER,
            option,
            f"{value} is too large a number.",
            f"Choose one of at most {LARGEST_NUMBER:,}.",
        )
        texts = value if isinstance(value, tuple) else (value,)
        yield (
            any(isinstance(text, str) and not _is_storable(text) for text in texts),
            option,
            "There are characters in it that are no text.",
            "Leave out null characters and halves of surrogate pairs.",
        )


def _is_storable(text: str) -> bool:
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _rows(spec: Spec) -> Iterator[Fault]:
    yield (
        not spec.splits or len(set(spec.splits)) != len(spec.splits),
        "splits",
        "The splits must be at least one, and each only once.",
        "Choose the splits to tokenize.",
    )
    yield (
        spec.first_rows is not None and spec.sample_rows is not None,
        "sample_rows",
        "The first rows and a sample cannot be had at once.",
        "Choose one of the two.",
    )
    for option in ("first_rows", "sample_rows"):
        number = getattr(spec, option)
        yield number is not None and number < 1, option, "No row would be left.", "Choose at least 1 row, or all."
    yield spec.sample_seed < 0, "sample_seed", "A seed cannot be negative.", "Choose a whole number from 0 on."


def _text(spec: Spec) -> Iterator[Fault]:
    yield (
        not spec.text_column and not spec.template,
        "text_column",
        "No text column was chosen.",
        "Choose the column to tokenize.",
    )
    yield (
        bool(spec.template) and spec.chat,
        "template",
        "A template of columns and a chat cannot be had at once.",
        "Leave the template empty, or turn the chat off.",
    )
    yield (
        spec.chat and not spec.chat_template,
        "chat_template",
        "This tokenizer has no chat template of its own.",
        "Give one, or choose a tokenizer that has one.",
    )
    yield (
        bool(spec.chat_template) and not spec.chat,
        "chat_template",
        "A chat template was given, but the rows are not read as chats.",
        "Turn the chat on, or leave the template empty.",
    )
    yield (
        spec.assistant_mask and not spec.chat,
        "assistant_mask",
        "Only chats have an assistant to mask.",
        "Turn the chat on, or leave the assistant mask out.",
    )
    yield (
        spec.assistant_mask and not _marks_generations(spec.chat_template),
        "assistant_mask",
        "The chat template does not mark what the assistant says with {% generation %}.",
        "Give a template that does, or leave the assistant mask out.",
    )
    yield spec.min_characters < 0, "min_characters", "A text cannot have fewer than 0 characters.", "Choose 0 or more."


def _marks_generations(template: str) -> bool:
    return any(tag.split("%}")[0].strip(" -+\n\t") == GENERATION_MARK for tag in template.split("{%")[1:])


def _tokens(spec: Spec, traits: Traits) -> Iterator[Fault]:
    yield (
        spec.chat and spec.special_tokens,
        "special_tokens",
        "The chat template writes the special tokens itself.",
        "Turn the tokenizer’s own special tokens off.",
    )
    yield (
        spec.chat and not spec.parse_special_tokens,
        "parse_special_tokens",
        "The special tokens that the chat template writes would be taken for plain text.",
        "Let special tokens in the text count as such.",
    )
    ends_documents = spec.append_eos or spec.packing == Packing.CONCATENATE
    needed = {
        "bos_token": (spec.prepend_bos, "start of text", "Begin every row with it"),
        "eos_token": (ends_documents, "end of text", "End every row with it"),
        "pad_token": (spec.is_padding, "padding", "Choose a padding"),
    }
    known = _some_of(traits)
    for option, (is_needed, purpose, use) in needed.items():
        token = getattr(spec, option)
        yield (
            is_needed and not token,
            option,
            f"This tokenizer has no token for {purpose}.",
            f"Name one of its special tokens: {known}." if known else "Choose another tokenizer, or do without it.",
        )
        yield (
            bool(token) and token not in traits.special_tokens,
            option,
            f"{token!r} is not a special token of this tokenizer.",
            f"Name one of these: {known}." if known else "It has none: do without it.",
        )
        is_for_template = spec.chat and option != "pad_token"
        yield (
            bool(token) and not is_needed and not is_for_template,
            option,
            f"A token for {purpose} was named, but nothing is to be done with it.",
            f"{use}, or leave it empty.",
        )


def _some_of(traits: Traits, number: int = 6) -> str:
    tokens = sorted(traits.special_tokens)
    return ", ".join(tokens[:number]) + (", …" if len(tokens) > number else "")


def _filter(spec: Spec) -> Iterator[Fault]:
    yield (
        not 0 < spec.filter_threshold <= 1,
        "filter_threshold",
        f"The filter threshold {spec.filter_threshold} is not over 0 and at most 1.",
        "Choose a share of junk tokens, such as 0.5.",
    )
    yield (
        bool(spec.keep_tokens) and not spec.is_filtering,
        "keep_tokens",
        "There is nothing to keep tokens from: no filter is chosen.",
        "Choose a filter, or leave the tokens to keep empty.",
    )
    yield spec.min_tokens < 0, "min_tokens", "A row cannot have fewer than 0 tokens.", "Choose 0 or more."
    yield (
        spec.max_tokens is not None and spec.max_tokens < max(spec.min_tokens, 1),
        "max_tokens",
        "No row can have that few tokens and enough of them.",
        "Choose a maximum that is not below the minimum, and at least 1.",
    )


def _length(spec: Spec, traits: Traits) -> Iterator[Fault]:
    length, specials = spec.max_length, special_count(spec, traits)
    if length is None:
        yield (
            spec.truncation == Truncation.WINDOWS or spec.truncation == Truncation.LEFT,
            "max_length",
            "Nothing is cut without a maximum length.",
            "Choose a maximum length, or leave truncation at its default.",
        )
    else:
        yield (
            not SHORTEST_MAX_LENGTH <= length <= LONGEST_MAX_LENGTH,
            "max_length",
            f"A maximum length of {length:,} is not possible.",
            f"Choose one from {SHORTEST_MAX_LENGTH} to {LONGEST_MAX_LENGTH:,}, or none.",
        )
        yield (
            length <= specials,
            "max_length",
            f"A maximum length of {length:,} has no room for text: {specials:,} tokens are special.",
            f"Choose at least {specials + 1:,}, or no special tokens.",
        )
    yield (
        spec.stride != 0 and spec.truncation != Truncation.WINDOWS,
        "stride",
        "Only windows have a stride.",
        "Choose windows, or a stride of 0.",
    )
    room = (length or 0) - specials
    yield (
        spec.truncation == Truncation.WINDOWS and not 0 <= spec.stride < room,
        "stride",
        f"A stride of {spec.stride:,} does not fit windows with room for {room:,} tokens of text.",
        f"Choose one from 0 to {room - 1:,}: it is how many tokens two windows have in common.",
    )


def special_count(spec: Spec, traits: Traits) -> int:
    """How many special tokens a row may get at most."""
    eos = spec.append_eos or spec.packing == Packing.CONCATENATE
    return (traits.specials_added if spec.special_tokens else 0) + spec.prepend_bos + eos


def _packing(spec: Spec) -> Iterator[Fault]:
    is_packing, is_stream = spec.packing != Packing.NONE, spec.packing == Packing.CONCATENATE
    yield (
        is_packing and spec.max_length is None,
        "max_length",
        "Packing needs to know how long a block is.",
        "Choose a maximum length.",
    )
    yield (
        is_stream and spec.truncation != Truncation.RIGHT,
        "truncation",
        "Documents that are concatenated are not cut one by one.",
        "Leave truncation at its default, or pack by best fit.",
    )
    yield (
        spec.last_block != LastBlock.KEEP and not is_stream,
        "last_block",
        "Only concatenated documents have a last block.",
        "Concatenate, or leave the last block as it is.",
    )
    for option in ("position_ids", "document_ids"):
        yield (
            getattr(spec, option) and not is_packing,
            option,
            "Without packing every row is one document, from its first position on.",
            "Choose a packing, or leave this column out.",
        )


def _padding(spec: Spec) -> Iterator[Fault]:
    is_padding = spec.padding != Padding.NONE
    yield (
        spec.padding_side == Side.LEFT and not is_padding,
        "padding_side",
        "Rows are not padded, and a last block only at its end.",
        "Choose a padding, or the right side.",
    )
    yield (
        spec.padding == Padding.MAX_LENGTH and spec.max_length is None,
        "max_length",
        "Padding to the maximum length needs one.",
        "Choose a maximum length, or pad to the longest row.",
    )
    yield (
        is_padding and spec.packing == Packing.CONCATENATE,
        "padding",
        "Concatenated blocks are full but for the last one.",
        "Choose to pad the last block instead.",
    )
    yield (
        spec.padding == Padding.LONGEST and spec.packing == Packing.BEST_FIT,
        "padding",
        "Packed blocks have one length to be padded to: the maximum.",
        "Choose to pad to the maximum length, or no padding.",
    )
    yield from _multiple(spec, is_padding)


def _multiple(spec: Spec, is_padding: bool) -> Iterator[Fault]:
    yield (
        spec.pad_to_multiple_of is not None and not is_padding,
        "pad_to_multiple_of",
        "Nothing is padded, so there is no multiple to pad to.",
        "Choose a padding, or leave the multiple empty.",
    )
    yield (
        spec.pad_to_multiple_of is not None and not 1 <= spec.pad_to_multiple_of <= LONGEST_MAX_LENGTH,
        "pad_to_multiple_of",
        "Rows cannot be padded to that multiple.",
        f"Choose one from 1 to {LONGEST_MAX_LENGTH:,}, such as 8.",
    )
    yield (
        bool(spec.pad_to_multiple_of and spec.max_length and spec.max_length % spec.pad_to_multiple_of),
        "pad_to_multiple_of",
        "Rows would be padded to more than the maximum length.",
        "Choose a maximum length that is such a multiple, or another multiple.",
    )
    yield (
        spec.packing == Packing.BEST_FIT and spec.pad_to_multiple_of is not None,
        "pad_to_multiple_of",
        "Packed blocks have the maximum length.",
        "Leave the multiple empty, and choose a maximum length that is one.",
    )
