"""What happens to a batch of texts, from the text to the sequences, with everything it needs loaded once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from datasets_app.errors import JobError
from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import Encoder
from tokenizations.engine.filters import Levels, junk_levels, junk_ratios, junk_tokens
from tokenizations.engine.rows import EncodedRows, Fate, encode_rows
from tokenizations.engine.shaping import Sequences, shape
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.special_tokens import NO_FRAME, Frame, frame_of
from tokenizations.engine.tokenizer_files import load, read_file, unknown_token
from tokenizations.engine.vocabulary import Vocabulary, vocabulary_of


class LoadedTokenizer:
    """A tokenizer and what follows from it alone; made once and used for many shards."""

    def __init__(self, path: Path, encoder: Encoder) -> None:
        json_bytes = read_file(path)
        tokenizer = load(json_bytes)
        unknown = unknown_token(tokenizer, json_bytes)
        self.encoder = encoder
        self.unknown_id: int | None = None if unknown is None else tokenizer.token_to_id(unknown)
        self.vocabulary: Vocabulary = vocabulary_of(tokenizer)
        # Not the tokenizer itself: it takes as much memory as all of this together.
        self._frame = _frame_or_error(tokenizer)

    @property
    def frame(self) -> Frame:
        """Raises JobError for a tokenizer that does more than put special tokens around a row."""
        if isinstance(self._frame, JobError):
            raise self._frame
        return self._frame

    @cached_property
    def junk_levels(self) -> Levels:
        return junk_levels(self.vocabulary)


@dataclass(frozen=True)
class Cooked:
    """A batch when it is done; `junk_ratios`, float64 a row, are None where the spec has no filter."""

    rows: EncodedRows
    junk_ratios: npt.NDArray[np.float64] | None
    sequences: Sequences


class Recipe:
    """A spec, ready to be followed with a tokenizer."""

    def __init__(self, spec: Spec, tokenizer: LoadedTokenizer) -> None:
        self.spec = spec
        self.encoder = tokenizer.encoder
        self._frame = tokenizer.frame if spec.special_tokens else NO_FRAME
        spec.validate(len(self._frame))
        filters = spec.filter_mode != FilterMode.NONE
        self._junk = junk_tokens(tokenizer.junk_levels, spec.filter_mode) if filters else None

    def cook(self, batch: TextBatch) -> Cooked:
        """Encode, filter and shape; a row that fails is in `rows.fates`, never an exception."""
        rows = encode_rows(self.encoder, batch)
        ratios = self._filter(rows)
        kept = rows.fates == Fate.KEPT
        return Cooked(rows, ratios, shape(rows.ids, rows.offsets, kept, self.spec.max_length, self._frame))

    def _filter(self, rows: EncodedRows) -> npt.NDArray[np.float64] | None:
        if self._junk is None:
            return None
        ratios = junk_ratios(rows.ids, rows.offsets, self._junk)
        rows.fates[(rows.fates == Fate.KEPT) & (ratios >= self.spec.filter_threshold)] = Fate.JUNK
        return ratios


def _frame_or_error(tokenizer: Tokenizer) -> Frame | JobError:
    # It matters only to those who want the special tokens.
    try:
        return frame_of(tokenizer)
    except JobError as error:
        return error
