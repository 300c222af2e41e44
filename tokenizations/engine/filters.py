"""Decides by the tokens of a row whether it is junk."""

import string
import unicodedata
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tokenizations.engine.encoding import Ids, Offsets
from tokenizations.engine.spec import FILTER_MODES, FilterMode, Spec
from tokenizations.engine.vocabulary import Vocabulary

Levels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Ratios = npt.NDArray[np.float64]

NEVER = 255
HARMLESS_CONTROLS = "\n\r\t"
SHORT_CHARACTERS = 2
# ASCII symbols such as + and $ count as punctuation, as they do for BERT and for Python.
ASCII_PUNCTUATION = frozenset(string.punctuation)


def junk_levels(vocabulary: Vocabulary) -> Levels:
    """For every id the first of FILTER_MODES, by its number, that calls the token junk; NEVER for good ones."""
    levels = np.fromiter(map(junk_level, vocabulary.texts), np.uint8, len(vocabulary.texts))
    # A piece of a multi-byte character says nothing about the character.
    levels[vocabulary.pieces] = NEVER
    return levels


def junk_level(text: str) -> int:
    """The first of FILTER_MODES, by its number, for which a token with this decoded text is junk, or NEVER."""
    if text.strip(" ").isalnum():  # most of a vocabulary
        return NEVER
    if any(unicodedata.category(character) == "Cc" and character not in HARMLESS_CONTROLS for character in text):
        return FILTER_MODES.index(FilterMode.MINIMAL)
    stripped = text.strip()
    if not stripped:
        return FILTER_MODES.index(FilterMode.CONSERVATIVE)
    letters = sum(unicodedata.category(character)[0] in "LMN" for character in stripped)
    if not letters:
        return FILTER_MODES.index(FilterMode.STANDARD)
    if len(stripped) <= SHORT_CHARACTERS and 2 * letters <= len(stripped):
        return FILTER_MODES.index(FilterMode.AGGRESSIVE)
    if any(map(_is_punctuation, stripped)):
        return FILTER_MODES.index(FilterMode.STRICT)
    return NEVER


def junk_tokens(vocabulary: Vocabulary, levels: Levels, spec: Spec) -> Mask:
    """Which ids are junk, bool by id. Modes are nested: a token stays junk in every later one.

    Beside the mode's: tokens with any of `junk_characters`, and with `remove_all_punctuation` those with any
    punctuation mark. The texts in `keep_tokens` are good whatever else is said; white space around them counts only
    where there is nothing else.
    """
    junk = levels <= FILTER_MODES.index(spec.filter_mode)
    if spec.junk_characters:
        characters = frozenset(spec.junk_characters)
        junk |= _which(vocabulary, lambda text: not characters.isdisjoint(text))
    if spec.remove_all_punctuation:
        junk |= _which(vocabulary, lambda text: any(map(_is_punctuation, text)))
    if spec.keep_tokens:
        kept = {text.strip() or text for text in spec.keep_tokens}
        junk &= ~_which(vocabulary, lambda text: (text.strip() or text) in kept)
    return junk & ~vocabulary.pieces


def _which(vocabulary: Vocabulary, is_so: Callable[[str], bool]) -> Mask:
    return np.fromiter(map(is_so, vocabulary.texts), np.bool_, len(vocabulary.texts))


def junk_ratios(ids: Ids, offsets: Offsets, junk: Mask) -> Ratios:
    """The share of junk among each row's own tokens; 0 for a row without tokens."""
    running = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(junk[ids], out=running[1:])
    junk_per_row = np.diff(running[offsets])
    return junk_per_row / np.maximum(np.diff(offsets), 1)


def _is_punctuation(character: str) -> bool:
    return character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"
