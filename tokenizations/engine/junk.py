"""Says of a token, by its decoded text, from which filter mode on it is junk."""

import string
import unicodedata

from tokenizations.engine.spec import FILTER_MODES, FilterMode

NEVER = 255
HARMLESS_CONTROLS = "\n\r\t"
SHORT_CHARACTERS = 2
# ASCII symbols such as + and $ count as punctuation, as they do for BERT and for Python.
ASCII_PUNCTUATION = frozenset(string.punctuation)


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
    if any(map(is_punctuation, stripped)):
        return FILTER_MODES.index(FilterMode.STRICT)
    return NEVER


def is_punctuation(character: str) -> bool:
    return character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"
