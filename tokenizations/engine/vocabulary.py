"""The tokens of a tokenizer as people read them."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from tokenizations.engine.junk import NEVER, junk_level
from tokenizations.engine.shard_files import read_parquet

# With a number, to be raised when a vocabulary comes to be read in another way, or other tokens are junk.
FILE_NAME = "vocabulary-2.parquet"
SIZE = "size"
UNDECODABLE = "\ufffd"
# How byte-level BPE writes the three bytes of a genuine U+FFFD.
BYTE_LEVEL_UNDECODABLE = "ï¿½"
# How SentencePiece writes a space.
SPACE_MARK = "▁"


@dataclass(frozen=True)
class Vocabulary:
    """By id: the decoded texts ("" for ids in gaps), and whether the token is a piece of a multi-byte character.

    `size` is the number of tokens. `levels`, uint8, are the first of FILTER_MODES, by its number, that call the token
    junk; NEVER for good ones.
    """

    texts: list[str]
    pieces: npt.NDArray[np.bool_]
    size: int
    levels: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, texts: list[str], pieces: npt.NDArray[np.bool_], size: int) -> Self:
        levels = np.fromiter(map(junk_level, texts), np.uint8, len(texts))
        levels[pieces] = NEVER  # which say nothing about the character
        return cls(texts, pieces, size, levels)

    def __len__(self) -> int:
        return len(self.texts)

    def write(self, path: Path) -> None:
        """Replaces what is there, at once."""
        columns = {"text": self.texts, "piece": self.pieces, "level": self.levels}
        table = pa.table(columns).replace_schema_metadata({SIZE: str(self.size)})
        part = path.with_name(f"{uuid.uuid4().hex}.part")
        pq.write_table(table, part, compression="zstd")
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        table = read_parquet(path)
        pieces = table["piece"].to_numpy().astype(np.bool_)
        size = int(table.schema.metadata[SIZE.encode()])
        return cls(table["text"].to_pylist(), pieces, size, table["level"].to_numpy())


def read_or_make(tokenizer_path: Path, tokenizer: Tokenizer) -> Vocabulary:
    """To decode every token takes a while: it is done once, and kept beside the tokenizer's own file."""
    if known := beside(tokenizer_path):
        return known
    vocabulary = vocabulary_of(tokenizer)
    with suppress(OSError):  # it only takes longer the next time
        vocabulary.write(tokenizer_path.with_name(FILE_NAME))
    return vocabulary


def beside(tokenizer_path: Path) -> Vocabulary | None:
    """What `read_or_make` has kept; None if it never has."""
    try:
        return Vocabulary.read(tokenizer_path.with_name(FILE_NAME))
    except (OSError, pa.ArrowException, KeyError):
        return None


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """Decode every token by itself, as it reads in the middle of a text."""
    by_token: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    size = max(by_token.values(), default=-1) + 1
    texts, pieces = [""] * size, np.zeros(size, np.bool_)
    prefix, suffix = _continuation_marks(tokenizer)
    for token, number in by_token.items():
        text = tokenizer.decode([number], skip_special_tokens=False)
        pieces[number] = _is_piece(token, text)
        texts[number] = _with_spaces(token, _without_marks(text, prefix, suffix))
    return Vocabulary.of(texts, pieces, len(by_token))


def _is_piece(token: str, text: str) -> bool:
    genuine = token.count(UNDECODABLE) or token.count(BYTE_LEVEL_UNDECODABLE)
    return text.count(UNDECODABLE) > genuine


def _continuation_marks(tokenizer: Tokenizer) -> tuple[str, str]:
    # A decoder leaves the ## of a first token, but no text has a word that starts with it.
    marks = [getattr(tokenizer.model, name, None) for name in ("continuing_subword_prefix", "end_of_word_suffix")]
    return marks[0] or "", marks[1] or ""


def _with_spaces(token: str, text: str) -> str:
    # A decoder leaves out the space that a first token starts with; in the middle of a text it stands.
    if text.startswith(SPACE_MARK):
        return text
    marks, spaces = len(token) - len(token.lstrip(SPACE_MARK)), len(text) - len(text.lstrip(" "))
    return " " * (marks - spaces) + text


def _without_marks(text: str, prefix: str, suffix: str) -> str:
    if prefix and len(text) > len(prefix):
        text = text.removeprefix(prefix)
    if suffix and len(text) > len(suffix):
        text = text.removesuffix(suffix)
    return text
