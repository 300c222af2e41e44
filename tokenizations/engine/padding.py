"""Pads sequences to a length that they have in common."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tokenizations.engine.packing import chunks
from tokenizations.engine.ragged import Lengths, inside, offsets_of
from tokenizations.engine.sequences import (
    ASSISTANT,
    ATTENTION,
    DOCUMENTS,
    INPUT_IDS,
    POSITIONS,
    SPECIAL,
    Sequences,
    joined,
)
from tokenizations.engine.spec import LastBlock, Padding, Side, Spec

# As many rows as `datasets.map(batched=True)` hands to a tokenizer at once.
BATCH_ROWS = 1000
FILLERS = {ATTENTION: 0, SPECIAL: 1, ASSISTANT: 0, POSITIONS: 0, DOCUMENTS: -1}


class Padder(Protocol):
    def add(self, sequences: Sequences) -> Iterator[Sequences]: ...
    def rest(self) -> Iterator[Sequences]:
        """What is left when all have been added."""


def padder_of(spec: Spec, pad_id: int | None) -> Padder:
    """What a spec asks for; `pad_id` may be None where nothing is padded."""
    if not spec.is_padding:
        return Unpadded()
    assert pad_id is not None, "the rules ask for one"
    if spec.padding == Padding.LONGEST:
        return ToLongest(pad_id, spec.padding_side, spec.pad_to_multiple_of or 1)
    assert spec.max_length is not None, "the rules ask for one"
    side = Side.RIGHT if spec.last_block == LastBlock.PAD else spec.padding_side
    return ToLength(pad_id, side, spec.max_length)


class Unpadded:
    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        yield sequences

    def rest(self) -> Iterator[Sequences]:
        yield from ()


class ToLength:
    def __init__(self, pad_id: int, side: Side, length: int) -> None:
        self._pad_id, self._side, self._length = pad_id, side, length

    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        yield from padded(sequences, np.full(len(sequences), self._length), self._pad_id, self._side)

    def rest(self) -> Iterator[Sequences]:
        yield from ()


class ToLongest:
    """The longest of each thousand documents; the windows of a document are padded together."""

    def __init__(self, pad_id: int, side: Side, multiple: int) -> None:
        self._pad_id, self._side, self._multiple = pad_id, side, multiple
        self._waiting: Sequences | None = None
        self._first = 0

    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        yield from self._pad(sequences, is_last=False)

    def rest(self) -> Iterator[Sequences]:
        if self._waiting is not None:
            yield from self._pad(None, is_last=True)

    def _pad(self, more: Sequences | None, *, is_last: bool) -> Iterator[Sequences]:
        known = [one for one in (self._waiting, more) if one is not None]
        sequences = joined(known)
        batches = sequences.segments.documents // BATCH_ROWS
        ready = len(sequences) if is_last else int(np.searchsorted(batches, batches[-1:].max(initial=0)))
        self._waiting = sequences.part(ready, len(sequences)) if ready < len(sequences) else None
        if ready:
            _, firsts = np.unique(batches[:ready], return_index=True)
            longest = np.maximum.reduceat(sequences.lengths[:ready], firsts)
            rounded = -(-longest // self._multiple) * self._multiple
            targets = np.repeat(rounded, np.diff(np.append(firsts, ready)))
            yield from padded(sequences.part(0, ready), targets, self._pad_id, self._side)


def padded(sequences: Sequences, targets: Lengths, pad_id: int, side: Side) -> Iterator[Sequences]:
    """Each sequence filled up to its target, which it may not be over; in pieces of bounded size."""
    for first, last in chunks(targets):
        yield _padded(sequences.part(first, last), targets[first:last], pad_id, side)


def _padded(sequences: Sequences, targets: Lengths, pad_id: int, side: Side) -> Sequences:
    missing = targets - sequences.lengths
    offsets = offsets_of(targets)
    starts = offsets[:-1] + (missing if side == Side.LEFT else 0)
    content = inside(starts, sequences.lengths, int(offsets[-1]))
    tokens: dict[str, npt.NDArray[Any]] = {ATTENTION: content.view(np.int8)}
    for name, values in sequences.tokens.items():
        tokens[name] = np.full(offsets[-1], {INPUT_IDS: pad_id, **FILLERS}[name], values.dtype)
        tokens[name][content] = values
    return Sequences(tokens, targets, sequences.segments, missing)
