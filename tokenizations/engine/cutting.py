"""The kept rows of a batch, cut to a maximum length, or in windows that overlap."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizations.engine.encoding import Ids, Marks
from tokenizations.engine.ragged import Lengths, inside, offsets_of, places
from tokenizations.engine.rows import EncodedRows, Fate
from tokenizations.engine.spec import Truncation


@dataclass(frozen=True)
class Documents:
    """Kept rows without special tokens: flat `content`, uint32, and `lengths` and `whole` ones before the cut, int64.

    `numbers` are those of the rows in their split, int64. `marks`, int8 by token, may be missing.
    """

    content: Ids
    lengths: Lengths
    whole: Lengths
    numbers: npt.NDArray[np.int64]
    marks: Marks | None = None

    def __len__(self) -> int:
        return len(self.lengths)


def kept_documents(
    rows: EncodedRows, numbers: npt.NDArray[np.int64], room: int | None, truncation: Truncation
) -> Documents:
    """Leave out the rows that are not kept, and cut the rest to `room` tokens, unless windows are made of them."""
    kept = rows.fates == Fate.KEPT
    whole = np.diff(rows.offsets)[kept]
    lengths = whole if room is None or truncation == Truncation.WINDOWS else np.minimum(whole, room)
    content, marks = rows.ids, rows.marks
    if int(lengths.sum()) != len(content):
        if lengths is whole:
            places_kept = np.repeat(kept, np.diff(rows.offsets))
        else:
            starts = rows.offsets[:-1][kept] + (whole - lengths if truncation == Truncation.LEFT else 0)
            places_kept = inside(starts, lengths, len(content))
        content, marks = content[places_kept], None if marks is None else marks[places_kept]
    return Documents(content, lengths, whole, numbers[kept], marks)


@dataclass(frozen=True)
class Pieces:
    """What documents are made into: flat `content` and `marks` as theirs, and which document each piece is of."""

    content: Ids
    lengths: Lengths
    documents: Lengths
    marks: Marks | None = None


def whole_pieces(documents: Documents) -> Pieces:
    return Pieces(documents.content, documents.lengths, np.arange(len(documents)), documents.marks)


def windows(documents: Documents, room: int, stride: int) -> Pieces:
    """Windows of `room` tokens, `stride` of which are those at the end of the one before.

    The last one ends where its document does, as those of `tokenizers` do with `return_overflowing_tokens`.
    """
    step = room - stride
    counts = 1 + np.maximum(-(-(documents.lengths - room) // step), 0)
    number = places(np.zeros(len(documents), np.int64), counts)
    owners = np.repeat(np.arange(len(documents)), counts)
    starts = number * step
    lengths = np.minimum(documents.lengths[owners] - starts, room)
    found = places(offsets_of(documents.lengths)[:-1][owners] + starts, lengths)
    marks = None if documents.marks is None else documents.marks[found]
    return Pieces(documents.content[found], lengths, owners, marks)
