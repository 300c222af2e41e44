"""Turns texts into flat token ids: with fastokens where it gives the reference's ids, else with `tokenizers`.

An encoder is told once whether special tokens that are written in a text count as such, or are text like any other.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from fastokens import Tokenizer as FastTokenizer
from tokenizers import Encoding, Tokenizer

from datasets_app.errors import JobError
from tokenizations.engine import encoder_names
from tokenizations.engine.texts import Spans
from tokenizations.engine.tokenizer_files import is_panic, load, read_file, refused_as

MIB = 1 << 20
FAST_BATCH_BYTES = MIB
# At 2 MB/s a larger batch would make the progress of a job visibly jump.
HUB_BATCH_BYTES = MIB // 2
# `tokenizers` takes 128 times the text's size in memory while it encodes one; see TOKENYARD_REFERENCE_ROW_MB.
HUB_ROW_BYTES = 4 * MIB

Ids = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]
Marks = npt.NDArray[np.int8]


class Encoder(Protocol):
    """`encode` gives the ids of all texts, uint32, and the int64 offsets of the rows in them, one more than texts.

    The ids are those of whole texts: nothing cut, padded or added. It raises what its library raises. Batches should
    have at most `batch_bytes` of UTF-8, or one text, of at most `row_bytes` if that is not None.
    """

    @property
    def name(self) -> str: ...
    @property
    def batch_bytes(self) -> int: ...
    @property
    def row_bytes(self) -> int | None: ...

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]: ...


class FastEncoder:
    """fastokens: some kinds of BPE only, 60 to 160 MB/s on a core. Raises JobError for those it does not know."""

    name = encoder_names.FAST
    batch_bytes = FAST_BATCH_BYTES
    row_bytes = None

    def __init__(self, json_bytes: bytes, parse_special_tokens: bool = True) -> None:
        with refused_as("fastokens cannot load this tokenizer"):
            self._tokenizer = FastTokenizer.from_json_str(_bare(json_bytes, parse_special_tokens))

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]:
        ids, offsets = self._tokenizer.encode_batch_flat(texts)
        return np.frombuffer(ids, np.uint32), np.frombuffer(offsets, np.uint64).astype(np.int64)


class HubEncoder:
    """Hugging Face's `tokenizers`, the reference: every kind of tokenizer, 2 to 3 MB/s on a core."""

    name = encoder_names.REFERENCE
    batch_bytes = HUB_BATCH_BYTES

    def __init__(self, tokenizer: Tokenizer, parse_special_tokens: bool = True, row_bytes: int = HUB_ROW_BYTES) -> None:
        tokenizer.encode_special_tokens = not parse_special_tokens
        self.tokenizer = tokenizer
        self.row_bytes = row_bytes

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]:
        return _flat([encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)])

    def encode_marked(self, texts: Sequence[str], spans: Sequence[Spans]) -> tuple[Ids, Offsets, Marks]:
        """Also int8 marks, 1 for tokens that lie in the character spans of their text, as transformers has them."""
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        ids, offsets = _flat([encoding.ids for encoding in encodings])
        marks = np.zeros(len(ids), np.int8)
        for encoding, first, said in zip(encodings, offsets, spans, strict=False):
            for start, stop in _tokens_within(encoding, said):
                marks[first + start : first + stop] = 1
        return ids, offsets, marks


def load_encoder(
    tokenizer_path: Path, name: str, parse_special_tokens: bool = True, row_bytes: int = HUB_ROW_BYTES
) -> Encoder:
    """The encoder that was chosen before, without another probe. Raises JobError if it does not load."""
    json_bytes = read_file(tokenizer_path)
    match name:
        case encoder_names.FAST:
            return FastEncoder(json_bytes, parse_special_tokens)
        case encoder_names.REFERENCE:
            return HubEncoder(load(json_bytes), parse_special_tokens, row_bytes)
    raise JobError(f"There is no encoder called {name!r}.", "Let the engine choose one.")


def _bare(json_bytes: bytes, parse_special_tokens: bool) -> str:
    # We cut, pad and add special tokens ourselves, and fastokens refuses some tokenizers only for how they do that.
    content = json.loads(json_bytes)
    extras = [name for name in ("post_processor", "truncation", "padding") if content.get(name) is not None]
    if not extras and parse_special_tokens:
        return json_bytes.decode()
    if not parse_special_tokens:
        content["added_tokens"] = [token for token in content.get("added_tokens", []) if not token["special"]]
    return json.dumps(content | dict.fromkeys(extras), ensure_ascii=False)


def _flat(rows: list[list[int]]) -> tuple[Ids, Offsets]:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return np.fromiter(chain.from_iterable(rows), np.uint32, offsets[-1]), offsets


def _tokens_within(encoding: Encoding, spans: Spans) -> Iterator[tuple[int, int]]:
    for first, stop in spans:
        start = encoding.char_to_token(first)
        if start is None:  # the text goes on where no token does
            return
        last = encoding.char_to_token(stop - 1)
        yield start, len(encoding) if last is None else last + 1


def ids_or_none(encoder: Encoder, text: str) -> Ids | None:
    """None for a text that the library refuses, or panics on."""
    try:
        return encoder.encode([text])[0]
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return None


def is_same(expected: Ids | None, found: Ids | None) -> bool:
    if expected is None or found is None:
        return expected is found
    return np.array_equal(expected, found)
