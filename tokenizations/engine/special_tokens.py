"""The special tokens around a row: those of the tokenizer's own template, such as [CLS] and [SEP], and BOS and EOS."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from datasets_app.errors import JobError
from tokenizations.engine.tokenizer_files import TRIAL_TEXT

Int32s = npt.NDArray[np.int32]
TRIAL_TOKENS = 32
TRIAL_TEXTS = (TRIAL_TEXT, "", "a", " b", "Two lines\nof 12 words.", "x y z " * 20)
NONE = np.empty(0, np.int32)


@dataclass(frozen=True)
class Frame:
    """What goes before and after every row, int32 ids.

    `bos` and `eos` go outside of these, but only where a row does not begin or end with them as it is.
    """

    before: Int32s
    after: Int32s
    bos: int | None = None
    eos: int | None = None

    def __len__(self) -> int:
        """How many special tokens a row gets at most."""
        return len(self.before) + len(self.after) + (self.bos is not None) + (self.eos is not None)

    def with_ends(self, bos: int | None, eos: int | None) -> "Frame":
        """Also with these, unless they are where they should be already."""
        has_bos = bos is None or self.before[:1].tolist() == [bos]
        has_eos = eos is None or self.after[-1:].tolist() == [eos]
        return Frame(self.before, self.after, None if has_bos else bos, None if has_eos else eos)


NO_FRAME = Frame(NONE, NONE)


def frame_of(tokenizer: Tokenizer) -> Frame:
    """Found by encoding a few texts with and without special tokens, so it holds for every kind of post-processor.

    Raises JobError for a tokenizer that does more to a row than put the same tokens around it.
    """
    if tokenizer.post_processor is None:
        return NO_FRAME
    pairs = list(_trials(tokenizer))
    plain, framed = max(pairs, default=([], []))
    count = len(framed) - len(plain) if plain else -1
    for split in range(count + 1):
        before, after = framed[:split], framed[len(framed) - (count - split) :]
        if all(framed == before + plain + after for plain, framed in pairs):
            return Frame(np.array(before, np.int32), np.array(after, np.int32))
    raise JobError(
        "This tokenizer does more than put special tokens around a row.", "Tokenize without its special tokens."
    )


def _trials(tokenizer: Tokenizer) -> Iterator[tuple[list[int], list[int]]]:
    known = [tokenizer.decode([number], skip_special_tokens=False) for number in range(TRIAL_TOKENS)]
    for text in (*TRIAL_TEXTS, *known):
        with suppress(Exception):  # a bare Exception for a word that the tokenizer does not know
            yield tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.encode(text).ids
