"""Decides by the tokens of a row whether it is junk."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tokenizations.engine.encoding import Ids, Offsets
from tokenizations.engine.junk import is_punctuation
from tokenizations.engine.ragged import sums
from tokenizations.engine.spec import FILTER_MODES, Spec
from tokenizations.engine.vocabulary import Vocabulary

Mask = npt.NDArray[np.bool_]
Ratios = npt.NDArray[np.float64]


def junk_tokens(vocabulary: Vocabulary, spec: Spec) -> Mask:
    """Which ids are junk, bool by id. Modes are nested: a token stays junk in every later one.

    Beside the mode's: tokens with any of `junk_characters`, and with `remove_all_punctuation` those with any
    punctuation mark. The texts in `keep_tokens` are good whatever else is said; white space around them counts only
    where there is nothing else.
    """
    junk = vocabulary.levels <= FILTER_MODES.index(spec.filter_mode)
    if spec.junk_characters:
        characters = frozenset(spec.junk_characters)
        junk |= _which(vocabulary, lambda text: not characters.isdisjoint(text))
    if spec.remove_all_punctuation:
        junk |= _which(vocabulary, lambda text: any(map(is_punctuation, text)))
    if spec.keep_tokens:
        kept = {text.strip() or text for text in spec.keep_tokens}
        junk &= ~_which(vocabulary, lambda text: (text.strip() or text) in kept)
    return junk & ~vocabulary.pieces


def _which(vocabulary: Vocabulary, is_so: Callable[[str], bool]) -> Mask:
    return np.fromiter(map(is_so, vocabulary.texts), np.bool_, len(vocabulary.texts))


def junk_ratios(ids: Ids | npt.NDArray[np.intp], offsets: Offsets, junk: Mask) -> Ratios:
    """The share of junk among each row's own tokens; 0 for a row without tokens."""
    return sums(junk.take(ids), offsets) / np.maximum(np.diff(offsets), 1)
