"""Encodes a batch row by row in effect: one bad row is reported, and the others are none the worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import Encoder, Ids, Offsets


class Fate(IntEnum):
    """What became of a row. `reason` is what the ledger calls it."""

    KEPT = 0
    EMPTY = 1
    JUNK = 2
    TOO_LONG = 3
    NOT_UTF8 = 4
    REFUSED = 5

    @property
    def reason(self) -> str:
        return self.name.lower()


# The others that are not kept are errored.
FILTERED = frozenset({Fate.EMPTY, Fate.JUNK})
ERRORED = frozenset(Fate) - FILTERED - {Fate.KEPT}

Fates = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class EncodedRows:
    """Flat ids, the rows' offsets in them, and a Fate for each row; rows that could not be encoded have no ids."""

    ids: Ids
    offsets: Offsets
    fates: Fates


def encode_rows(encoder: Encoder, batch: TextBatch) -> EncodedRows:
    """Encode what can be; null and empty rows are EMPTY, and rows that the encoder cannot take get their reason."""
    fates = np.zeros(len(batch), np.uint8)
    fates[batch.sizes == 0] = Fate.EMPTY
    if encoder.row_bytes is not None:
        fates[batch.sizes > encoder.row_bytes] = Fate.TOO_LONG
    strings = _strings(batch.texts, fates)
    rows = np.flatnonzero(fates == Fate.KEPT)
    texts = strings if len(rows) == len(batch) else [strings[row] for row in rows]
    refused: list[int] = []
    pieces = _encode_or_split(encoder, texts, 0, refused)
    fates[rows[refused]] = Fate.REFUSED
    lengths = np.zeros(len(batch), np.int64)
    lengths[rows] = np.concatenate([np.diff(offsets) for _, offsets in pieces])
    offsets = np.zeros(len(batch) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    ids = pieces[0][0] if len(pieces) == 1 else np.concatenate([ids for ids, _ in pieces])
    return EncodedRows(ids, offsets, fates)


def _strings(texts: pa.Array, fates: Fates) -> list[str]:
    try:
        strings: list[str] = texts.to_pylist()
    except UnicodeDecodeError:
        return [_decoded(raw, row, fates) for row, raw in enumerate(texts.cast(pa.large_binary()).to_pylist())]
    return strings


def _decoded(raw: bytes | None, row: int, fates: Fates) -> str:
    try:
        return (raw or b"").decode()
    except UnicodeDecodeError:
        fates[row] = Fate.NOT_UTF8
        return ""


def _encode_or_split(
    encoder: Encoder, texts: Sequence[str], first: int, refused: list[int]
) -> list[tuple[Ids, Offsets]]:
    try:
        return [encoder.encode(texts)]
    except MemoryError:
        raise
    except Exception:
        # The libraries raise bare Exceptions for a whole batch: halve it until the rows at fault are alone.
        if len(texts) == 1:
            refused.append(first)
            return [(np.empty(0, np.uint32), np.zeros(2, np.int64))]
    half = len(texts) // 2
    head = _encode_or_split(encoder, texts[:half], first, refused)
    return head + _encode_or_split(encoder, texts[half:], first + half, refused)
