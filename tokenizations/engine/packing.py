"""Packs documents into blocks of one length."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tokenizations.engine.ragged import Lengths, offsets_of, places
from tokenizations.engine.sequences import INPUT_IDS, Segments, Sequences, joined
from tokenizations.engine.spec import LastBlock, Packing, Spec

# Blocks that are made all at once are handed out in pieces of about this many tokens.
CHUNK_TOKENS = 1 << 20


class Packer(Protocol):
    """Takes sequences of one document each. `dropped` counts the tokens that went into no block."""

    dropped: int

    def add(self, sequences: Sequences) -> Iterator[Sequences]: ...
    def rest(self) -> Iterator[Sequences]:
        """What is left when all have been added."""


def packer_of(spec: Spec) -> Packer:
    if spec.packing == Packing.NONE:
        return Unpacked()
    assert spec.max_length is not None, "the rules ask for one"
    if spec.packing == Packing.CONCATENATE:
        return Concatenation(spec.max_length, spec.last_block)
    return BestFit(spec.max_length)


class Unpacked:
    """Every sequence as it is."""

    dropped = 0

    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        yield sequences

    def rest(self) -> Iterator[Sequences]:
        yield from ()


class Concatenation:
    """All documents as one stream, cut every `block` tokens."""

    def __init__(self, block: int, last_block: LastBlock) -> None:
        self.dropped = 0
        self._block = block
        self._last_block = last_block
        self._left: Sequences | None = None

    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        stream = sequences if self._left is None else joined([self._left, sequences])
        blocks = cut_stream(stream, self._block)
        full = len(stream.tokens[INPUT_IDS]) // self._block
        if full:
            yield blocks.part(0, full)
        self._left = blocks.part(full, len(blocks)) if full < len(blocks) else None

    def rest(self) -> Iterator[Sequences]:
        if self._left is None:
            return
        if self._last_block == LastBlock.DROP:
            self.dropped += int(self._left.lengths.sum())
        else:
            yield self._left


def cut_stream(stream: Sequences, block: int) -> Sequences:
    """The same tokens as blocks, of which the last may be shorter."""
    total, segments = len(stream.tokens[INPUT_IDS]), stream.segments
    segment_ends = np.cumsum(segments.lengths)
    block_ends = np.append(np.arange(block, total, block), [total] if total else [])
    ends = np.union1d(segment_ends[segment_ends > 0], block_ends).astype(np.int64)
    documents = segments.documents[np.searchsorted(segment_ends, ends)]
    counts = np.diff(np.searchsorted(ends, block_ends, side="right"), prepend=0)
    cut = Segments(documents, np.diff(ends, prepend=0), counts)
    return Sequences(stream.tokens, np.diff(block_ends, prepend=0).astype(np.int64), cut)


class BestFit:
    """Whole documents, each in the fullest block that has room, the longest first.

    Best-fit decreasing (D. S. Johnson, 1973), for training data after Ding et al., "Fewer Truncations Improve Language
    Modeling", 2024. Blocks stand in the order of their first documents, and documents within them in source order.
    """

    dropped = 0

    def __init__(self, block: int) -> None:
        self._block = block
        self._waiting: list[Sequences] = []

    def add(self, sequences: Sequences) -> Iterator[Sequences]:
        if len(sequences):
            self._waiting.append(sequences)
        yield from ()

    def rest(self) -> Iterator[Sequences]:
        if not self._waiting:
            return
        pieces, self._waiting = joined(self._waiting), []
        blocks = best_fit_decreasing(pieces.lengths, self._block)
        packed = np.flatnonzero(blocks >= 0)  # a document without tokens is in none
        _, firsts, blocks = np.unique(blocks[packed], return_index=True, return_inverse=True)
        ranks = np.empty(len(firsts), np.int64)
        ranks[np.argsort(firsts, kind="stable")] = np.arange(len(firsts))
        order = np.argsort(ranks[blocks], kind="stable")
        yield from _gathered(pieces, packed[order], np.bincount(ranks[blocks], minlength=len(firsts)))


def _gathered(pieces: Sequences, order: Lengths, counts: Lengths) -> Iterator[Sequences]:
    starts, ends = offsets_of(pieces.lengths), offsets_of(counts)
    lengths = np.add.reduceat(pieces.lengths[order], ends[:-1]) if len(order) else np.zeros(0, np.int64)
    for first, last in chunks(lengths):
        chosen = order[ends[first] : ends[last]]
        found = places(starts[chosen], pieces.lengths[chosen])
        tokens = {name: values[found] for name, values in pieces.tokens.items()}
        segments = Segments(pieces.segments.documents[chosen], pieces.lengths[chosen], counts[first:last])
        yield Sequences(tokens, lengths[first:last], segments)


def chunks(lengths: Lengths) -> Iterator[tuple[int, int]]:
    """Stretches of consecutive sequences with at most CHUNK_TOKENS together, or one sequence."""
    ends, start = np.cumsum(lengths), 0
    while start < len(lengths):
        limit = (ends[start - 1] if start else 0) + CHUNK_TOKENS
        stop = max(int(np.searchsorted(ends, limit, side="right")), start + 1)
        yield start, stop
        start = stop


def best_fit_decreasing(lengths: Lengths, capacity: int) -> Lengths:
    """The block of each document, numbered from 0, -1 for those without tokens; int64.

    Documents of one length are placed together, so that it takes time by different lengths and not by documents.
    No length may be over `capacity`.
    """
    blocks = np.full(len(lengths), -1, np.int64)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    if not len(order):
        return blocks
    assert lengths[order[0]] <= capacity, "longer documents are cut before"
    different, firsts = np.unique(-lengths[order], return_index=True)
    room = _Room(capacity)
    for length, waiting in zip(-different, np.split(order, firsts[1:]), strict=True):
        while len(waiting):
            taken = room.place(int(length), len(waiting))
            blocks[waiting[: len(taken)]] = taken
            waiting = waiting[len(taken) :]
    return blocks


class _Room:
    """The open blocks by how much room they have."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._opened = 0
        self._rooms: list[int] = []  # ascending, all in `_blocks`
        self._blocks: dict[int, Lengths] = {}

    def place(self, length: int, count: int) -> Lengths:
        """The blocks for the next documents of this length: those with the least room that is enough, or new ones."""
        place = bisect_left(self._rooms, length)
        room = self._rooms[place] if place < len(self._rooms) else self._capacity
        each = room // length
        needed = -(-count // each)
        blocks = self._take(room, needed) if place < len(self._rooms) else self._open(needed)
        taken = np.repeat(blocks, each)[:count]
        in_last = len(taken) - each * (len(blocks) - 1)
        self._put(room - each * length, blocks[:-1])
        self._put(room - in_last * length, blocks[-1:])
        return taken

    def _take(self, room: int, needed: int) -> Lengths:
        blocks = self._blocks.pop(room)
        self._rooms.remove(room)
        self._put(room, blocks[needed:])
        return blocks[:needed]

    def _open(self, needed: int) -> Lengths:
        self._opened += needed
        return np.arange(self._opened - needed, self._opened)

    def _put(self, room: int, blocks: Lengths) -> None:
        if not room or not len(blocks):
            return
        if room not in self._blocks:
            insort(self._rooms, room)
            self._blocks[room] = blocks
        else:
            self._blocks[room] = np.sort(np.concatenate([self._blocks[room], blocks]))
