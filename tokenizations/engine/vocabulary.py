"""The tokens of a tokenizer as people read them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

UNDECODABLE = "\ufffd"
# How byte-level BPE writes the three bytes of a genuine U+FFFD.
BYTE_LEVEL_UNDECODABLE = "ï¿½"


@dataclass(frozen=True)
class Vocabulary:
    """By id: the decoded texts ("" for ids in gaps), and whether the token is a piece of a multi-byte character."""

    texts: list[str]
    pieces: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """Decode every token by itself, as it reads in the middle of a text."""
    by_token: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    size = max(by_token.values(), default=-1) + 1
    texts, pieces = [""] * size, np.zeros(size, np.bool_)
    prefix, suffix = _continuation_marks(tokenizer)
    for token, number in by_token.items():
        text = tokenizer.decode([number], skip_special_tokens=False)
        pieces[number] = _is_piece(token, text)
        texts[number] = _without_marks(text, prefix, suffix)
    return Vocabulary(texts, pieces)


def _is_piece(token: str, text: str) -> bool:
    genuine = token.count(UNDECODABLE) or token.count(BYTE_LEVEL_UNDECODABLE)
    return text.count(UNDECODABLE) > genuine


def _continuation_marks(tokenizer: Tokenizer) -> tuple[str, str]:
    # A decoder leaves the ## of a first token, but no text has a word that starts with it.
    marks = [getattr(tokenizer.model, name, None) for name in ("continuing_subword_prefix", "end_of_word_suffix")]
    return marks[0] or "", marks[1] or ""


def _without_marks(text: str, prefix: str, suffix: str) -> str:
    if prefix and len(text) > len(prefix):
        text = text.removeprefix(prefix)
    if suffix and len(text) > len(suffix):
        text = text.removesuffix(suffix)
    return text
