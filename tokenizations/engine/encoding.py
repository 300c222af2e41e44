"""Turns texts into flat token ids: with fastokens where it gives the reference's ids, else with `tokenizers`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from fastokens import Tokenizer as FastTokenizer
from tokenizers import Tokenizer

from datasets_app.errors import JobError
from tokenizations.engine.probe import probe_texts
from tokenizations.engine.tokenizer_files import is_panic, load, read_file, refused_as

MIB = 1 << 20
FAST_BATCH_BYTES = 4 * MIB
# At 2 MB/s a larger batch would make the progress of a job visibly jump.
HUB_BATCH_BYTES = MIB // 2
# `tokenizers` takes 128 times the text's size in memory while it encodes one.
HUB_ROW_BYTES = 4 * MIB
PROBED_ADDED_TOKENS = 64

Ids = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]


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

    name = "fastokens"
    batch_bytes = FAST_BATCH_BYTES
    row_bytes = None

    def __init__(self, json_bytes: bytes) -> None:
        with refused_as("fastokens cannot load this tokenizer"):
            self._tokenizer = FastTokenizer.from_json_str(_bare(json_bytes))

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]:
        ids, offsets = self._tokenizer.encode_batch_flat(texts)
        return np.frombuffer(ids, np.uint32), np.frombuffer(offsets, np.uint64).astype(np.int64)


class HubEncoder:
    """Hugging Face's `tokenizers`, the reference: every kind of tokenizer, 2 to 3 MB/s on a core."""

    name = "tokenizers"
    batch_bytes = HUB_BATCH_BYTES
    row_bytes = HUB_ROW_BYTES

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]:
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return np.fromiter(chain.from_iterable(rows), np.uint32, offsets[-1]), offsets


@dataclass(frozen=True)
class Choice:
    """`name` of the encoder to use, and as a sentence for the user why it is this one."""

    encoder: Encoder
    name: str
    reason: str


def choose_encoder(tokenizer_path: Path, texts: Sequence[str] = ()) -> Choice:
    """The fast encoder if it loads and agrees with the reference on the fixed probe and on `texts`, else the reference.

    Takes about a second. Raises JobError if the file is not a tokenizer at all.
    """
    json_bytes = read_file(tokenizer_path)
    tokenizer = load(json_bytes)
    hub = HubEncoder(tokenizer)
    try:
        fast = FastEncoder(json_bytes)
    except JobError as error:
        return Choice(hub, hub.name, str(error))
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    probe = [*probe_texts(added[:PROBED_ADDED_TOKENS]), *texts]
    if wrong := sum(not _agree(fast, hub, text) for text in probe):
        return Choice(hub, hub.name, f"fastokens gave other tokens on {wrong} of {len(probe):,} probe texts.")
    return Choice(fast, fast.name, f"fastokens gave the same tokens as tokenizers on {len(probe):,} probe texts.")


def load_encoder(tokenizer_path: Path, name: str) -> Encoder:
    """The encoder that was chosen before, without another probe. Raises JobError if it does not load."""
    json_bytes = read_file(tokenizer_path)
    match name:
        case FastEncoder.name:
            return FastEncoder(json_bytes)
        case HubEncoder.name:
            return HubEncoder(load(json_bytes))
    raise JobError(f"There is no encoder called {name!r}.", "Let the engine choose one.")


def _bare(json_bytes: bytes) -> str:
    # We cut, pad and add special tokens ourselves, and fastokens refuses some tokenizers only for how they do that.
    content = json.loads(json_bytes)
    extras = [name for name in ("post_processor", "truncation", "padding") if content.get(name) is not None]
    if not extras:
        return json_bytes.decode()
    return json.dumps(content | dict.fromkeys(extras), ensure_ascii=False)


def _agree(fast: Encoder, hub: Encoder, text: str) -> bool:
    # One at a time, so that a text that one of them refuses is compared too.
    expected, found = _ids_or_none(hub, text), _ids_or_none(fast, text)
    return expected is None if found is None else expected is not None and np.array_equal(expected, found)


def _ids_or_none(encoder: Encoder, text: str) -> Ids | None:
    try:
        return encoder.encode([text])[0]
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return None
