"""What happens to a batch of rows, from the text to the tokens, with everything it needs loaded once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from datasets_app.errors import JobError
from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import HUB_ROW_BYTES, Encoder, HubEncoder, load_encoder
from tokenizations.engine.filters import junk_ratios, junk_tokens
from tokenizations.engine.rechecking import recheck
from tokenizations.engine.rows import EncodedRows, Fate, encode_rows
from tokenizations.engine.rules import Traits, check
from tokenizations.engine.shaping import Shaper
from tokenizations.engine.spec import Packing, Spec
from tokenizations.engine.special_tokens import NO_FRAME, Frame, frame_of
from tokenizations.engine.texts import TextSource
from tokenizations.engine.tokenizer_files import load, read_file, unknown_token
from tokenizations.engine.vocabulary import Vocabulary, read_or_make


class LoadedTokenizer:
    """A tokenizer and what follows from it alone; made once and used for many shards.

    `reference` encodes the rows that are compared in every run, and may be the encoder itself.
    """

    def __init__(self, path: Path, encoder: Encoder, reference: HubEncoder) -> None:
        json_bytes, tokenizer = read_file(path), reference.tokenizer
        unknown = unknown_token(tokenizer, json_bytes)
        self.encoder = encoder
        self.unknown_id: int | None = None if unknown is None else tokenizer.token_to_id(unknown)
        self.vocabulary: Vocabulary = read_or_make(path, tokenizer)
        self._tokenizer = tokenizer
        self._frame = _frame_or_error(tokenizer)
        self.reference = reference

    @classmethod
    def named(cls, path: Path, name: str, parse_special_tokens: bool = True, row_bytes: int = HUB_ROW_BYTES) -> Self:
        """With the encoder that was chosen before. Raises JobError if it does not load."""
        encoder = load_encoder(path, name, parse_special_tokens, row_bytes)
        if isinstance(encoder, HubEncoder):
            return cls(path, encoder, encoder)
        return cls(path, encoder, HubEncoder(load(read_file(path)), parse_special_tokens))

    @property
    def frame(self) -> Frame:
        """Raises JobError for a tokenizer that does more than put special tokens around a row."""
        if isinstance(self._frame, JobError):
            raise self._frame
        return self._frame

    def id_of(self, token: str) -> int | None:
        """None for one that is not in the vocabulary, "" among them."""
        number: int | None = self._tokenizer.token_to_id(token) if token else None
        return number

    def traits_for(self, spec: Spec) -> Traits:
        """As far as they matter to this spec and can be told from the tokenizer's file."""
        count = 0 if isinstance(self._frame, JobError) else len(self._frame)
        named = {spec.bos_token, spec.eos_token, spec.pad_token}
        return Traits(count, special_tokens=frozenset(token for token in named if self.id_of(token) is not None))


@dataclass(frozen=True)
class Cooked:
    """A batch that is encoded and filtered; `junk_ratios`, float64 a row, are None where the spec has no filter."""

    rows: EncodedRows
    junk_ratios: npt.NDArray[np.float64] | None


class Recipe:
    """A spec, ready to be followed with a tokenizer. Raises JobError if they do not go together."""

    def __init__(self, spec: Spec, tokenizer: LoadedTokenizer) -> None:
        check(spec, tokenizer.traits_for(spec))
        self.spec = spec
        self.source = TextSource(spec)
        self.encoder = tokenizer.encoder
        self._reference = None if tokenizer.reference is tokenizer.encoder else tokenizer.reference
        self._pad_id = tokenizer.id_of(spec.pad_token)
        self._frame = _frame(spec, tokenizer)
        self._junk = junk_tokens(tokenizer.vocabulary, spec) if spec.is_filtering else None

    def shaper(self) -> Shaper:
        """For one shard."""
        return Shaper(self.spec, self._frame, self._pad_id)

    def cook(self, batch: TextBatch) -> Cooked:
        """Encode and filter; a row that fails is in `rows.fates`, never an exception.

        Raises Mismatch where the fast encoder is found to be wrong.
        """
        rows = encode_rows(self.encoder, batch, self.spec.min_characters)
        if self._reference:
            recheck(self._reference, batch, rows)
        ratios = self._filter(rows)
        return Cooked(rows, ratios)

    def _filter(self, rows: EncodedRows) -> npt.NDArray[np.float64] | None:
        ratios = None if self._junk is None else junk_ratios(rows.places, rows.offsets, self._junk)
        if ratios is not None:
            self._drop(rows, ratios >= self.spec.filter_threshold, Fate.JUNK)
        lengths = np.diff(rows.offsets)
        if self.spec.min_tokens:
            self._drop(rows, lengths < self.spec.min_tokens, Fate.TOO_FEW_TOKENS)
        if self.spec.max_tokens is not None:
            self._drop(rows, lengths > self.spec.max_tokens, Fate.TOO_MANY_TOKENS)
        return ratios

    @staticmethod
    def _drop(rows: EncodedRows, dropped: npt.NDArray[np.bool_], fate: Fate) -> None:
        rows.fates[(rows.fates == Fate.KEPT) & dropped] = fate


def _frame(spec: Spec, tokenizer: LoadedTokenizer) -> Frame:
    frame = tokenizer.frame if spec.special_tokens else NO_FRAME
    ends_documents = spec.append_eos or spec.packing == Packing.CONCATENATE
    bos = tokenizer.id_of(spec.bos_token) if spec.prepend_bos else None
    eos = tokenizer.id_of(spec.eos_token) if ends_documents else None
    return frame.with_ends(bos, eos)


def _frame_or_error(tokenizer: Tokenizer) -> Frame | JobError:
    # It matters only to those who want the special tokens.
    try:
        return frame_of(tokenizer)
    except JobError as error:
        return error
