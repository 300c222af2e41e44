"""Encodes a batch row by row in effect: one bad row is reported, and the others are none the worse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import Encoder, HubEncoder, Ids, Marks, Offsets
from tokenizations.engine.texts import Spans
from tokenizations.engine.tokenizer_files import is_panic


class Fate(IntEnum):
    """What became of a row. `reason` is what the ledger calls it."""

    KEPT = 0
    EMPTY = 1
    JUNK = 2
    TOO_LONG = 3
    NOT_UTF8 = 4
    REFUSED = 5
    TOO_SHORT = 6
    TOO_FEW_TOKENS = 7
    TOO_MANY_TOKENS = 8
    TEMPLATE_FAILED = 9

    @property
    def reason(self) -> str:
        return self.name.lower()


# The others that are not kept are errored.
FILTERED = frozenset({Fate.EMPTY, Fate.JUNK, Fate.TOO_SHORT, Fate.TOO_FEW_TOKENS, Fate.TOO_MANY_TOKENS})
ERRORED = frozenset(Fate) - FILTERED - {Fate.KEPT}

Fates = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class EncodedRows:
    """Flat ids, the rows' offsets in them, and a Fate for each row; rows that could not be encoded have no ids.

    `marks`, int8 by token, are 1 for what the assistant says; None where nobody asked.
    """

    ids: Ids
    offsets: Offsets
    fates: Fates
    marks: Marks | None = None

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """The ids as NumPy looks things up with them; it would convert them again each time."""
        return self.ids.astype(np.intp)


def encode_rows(encoder: Encoder, batch: TextBatch, min_characters: int = 0) -> EncodedRows:
    """Encode what can be; null and empty rows are EMPTY, and rows that the encoder cannot take get their reason."""
    fates = np.zeros(len(batch), np.uint8)
    fates[batch.sizes == 0] = Fate.EMPTY
    fates[list(batch.made.failed)] = Fate.TEMPLATE_FAILED
    if encoder.row_bytes is not None:
        fates[batch.sizes > encoder.row_bytes] = Fate.TOO_LONG
    strings = _strings(batch.texts, fates)
    if min_characters:
        too_short = pc.fill_null(pc.less(pc.utf8_length(batch.texts), min_characters), False)
        fates[(fates == Fate.KEPT) & too_short.to_numpy(zero_copy_only=False)] = Fate.TOO_SHORT
    rows = np.flatnonzero(fates == Fate.KEPT)
    texts = strings if len(rows) == len(batch) else [strings[row] for row in rows]
    spans = None if batch.made.spans is None else [batch.made.spans[int(row)] for row in rows]
    refused: list[int] = []
    pieces = list(_encode_or_split(encoder, texts, spans, 0, refused))
    fates[rows[refused]] = Fate.REFUSED
    lengths = np.zeros(len(batch), np.int64)
    lengths[rows] = np.concatenate([np.diff(piece.offsets) for piece in pieces])
    offsets = np.zeros(len(batch) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    ids = _joined([piece.ids for piece in pieces])
    marks = _joined([piece.marks for piece in pieces if piece.marks is not None]) if spans is not None else None
    return EncodedRows(ids, offsets, fates, marks)


@dataclass(frozen=True)
class _Piece:
    ids: Ids
    offsets: Offsets
    marks: Marks | None = None


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
    encoder: Encoder, texts: Sequence[str], spans: Sequence[Spans] | None, first: int, refused: list[int]
) -> Iterator[_Piece]:
    try:
        yield _encode(encoder, texts, spans)
        return
    except MemoryError:
        raise
    except BaseException as error:
        # The libraries raise bare Exceptions for a whole batch, or panic: halve it until the rows at fault are alone.
        if not isinstance(error, Exception) and not is_panic(error):
            raise
    if len(texts) == 1:
        refused.append(first)
        nothing = np.empty(0, np.int8) if spans is not None else None
        yield _Piece(np.empty(0, np.uint32), np.zeros(2, np.int64), nothing)
        return
    half = len(texts) // 2
    heads, tails = (None, None) if spans is None else (spans[:half], spans[half:])
    yield from _encode_or_split(encoder, texts[:half], heads, first, refused)
    yield from _encode_or_split(encoder, texts[half:], tails, first + half, refused)


def _encode(encoder: Encoder, texts: Sequence[str], spans: Sequence[Spans] | None) -> _Piece:
    if spans is None:
        return _Piece(*encoder.encode(texts))
    assert isinstance(encoder, HubEncoder), "only this one says where a token lies"
    return _Piece(*encoder.encode_marked(texts, spans))


def _joined(arrays: Sequence[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
