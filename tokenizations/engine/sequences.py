"""What is written: columns by token and by sequence, as NumPy arrays and as Arrow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizations.engine.ragged import Lengths, offsets_of, runs
from tokenizations.engine.spec import Packing, Spec

INPUT_IDS, ATTENTION, SPECIAL, ASSISTANT = "input_ids", "attention_mask", "special_tokens_mask", "assistant_mask"
POSITIONS, DOCUMENTS = "position_ids", "document_ids"
LENGTH, SOURCE_ROW = "length", "source_row"
TOKEN_TYPES = {
    INPUT_IDS: pa.int32(),
    ATTENTION: pa.int8(),
    SPECIAL: pa.int8(),
    ASSISTANT: pa.int8(),
    POSITIONS: pa.int32(),
    DOCUMENTS: pa.int32(),
}
Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Segments:
    """Sequences as stretches of documents: `counts` a sequence, and `documents` and `lengths` a stretch, all int64.

    Documents are numbered in the order of the kept rows of a shard.
    """

    documents: Lengths
    lengths: Lengths
    counts: Lengths


@dataclass(frozen=True)
class Sequences:
    """`tokens` are flat columns by name, all of one length, and `lengths`, int64, those of the sequences in them."""

    tokens: Columns
    lengths: Lengths
    segments: Segments
    padding: Lengths | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def unpadded(self) -> Lengths:
        """Their lengths without padding, but with special tokens."""
        return self.lengths if self.padding is None else self.lengths - self.padding

    def with_tokens(self, **columns: npt.NDArray[Any]) -> "Sequences":
        return replace(self, tokens={**self.tokens, **columns})

    def part(self, start: int, stop: int) -> "Sequences":
        """The sequences from `start` up to but without `stop`."""
        ends, pieces = offsets_of(self.lengths), offsets_of(self.segments.counts)
        first, last = pieces[start], pieces[stop]
        segments = Segments(
            self.segments.documents[first:last],
            self.segments.lengths[first:last],
            self.segments.counts[start:stop],
        )
        tokens = {name: values[ends[start] : ends[stop]] for name, values in self.tokens.items()}
        padding = None if self.padding is None else self.padding[start:stop]
        return Sequences(tokens, self.lengths[start:stop], segments, padding)


def joined(many: Sequence[Sequences]) -> Sequences:
    """One after the other. There has to be at least one, and none may be padded."""
    if len(many) == 1:
        return many[0]
    tokens = {name: np.concatenate([one.tokens[name] for one in many]) for name in many[0].tokens}
    segments = Segments(
        np.concatenate([one.segments.documents for one in many]),
        np.concatenate([one.segments.lengths for one in many]),
        np.concatenate([one.segments.counts for one in many]),
    )
    return Sequences(tokens, np.concatenate([one.lengths for one in many]), segments)


def numbered(sequences: Sequences, spec: Spec) -> Sequences:
    """With positions, which begin anew with each document in a block, and documents, numbered within each block."""
    segments = sequences.segments
    if spec.position_ids:
        sequences = sequences.with_tokens(position_ids=runs(segments.lengths).astype(np.int32))
    if spec.document_ids:
        ids = np.repeat(runs(segments.counts), segments.lengths).astype(np.int32)
        sequences = sequences.with_tokens(document_ids=ids)
    return sequences


def schema(spec: Spec) -> pa.Schema:
    """The columns of the output."""
    chosen = [name for name in TOKEN_TYPES if name == INPUT_IDS or getattr(spec, name)]
    fields = [pa.field(name, pa.list_(TOKEN_TYPES[name])) for name in chosen]
    if spec.length:
        fields.append(pa.field(LENGTH, pa.int32()))
    if spec.source_row:
        # a packed block has several, in the order in which their documents stand in it
        fields.append(pa.field(SOURCE_ROW, pa.int64() if spec.packing == Packing.NONE else pa.list_(pa.int64())))
    return pa.schema(fields)


def record_batch(sequences: Sequences, spec: Spec, numbers: Lengths | None = None) -> pa.RecordBatch:
    """As Arrow; `numbers`, for source rows, are the numbers in the split of the documents of the segments."""
    offsets = pa.array(offsets_of(sequences.lengths).astype(np.int32))
    columns = []
    for field in schema(spec):
        if field.name == LENGTH:
            columns.append(pa.array(sequences.unpadded.astype(np.int32)))
        elif field.name == SOURCE_ROW:
            assert numbers is not None, "source rows are asked for"
            columns.append(_source_rows(sequences.segments, spec, numbers))
        else:
            columns.append(pa.ListArray.from_arrays(offsets, pa.array(_values(sequences, field.name))))
    return pa.RecordBatch.from_arrays(columns, schema=schema(spec))


def _values(sequences: Sequences, name: str) -> npt.NDArray[Any]:
    values = sequences.tokens.get(name)
    if values is None:
        assert name == ATTENTION, "every other column is made on the way"
        return np.ones(len(sequences.tokens[INPUT_IDS]), np.int8)
    return values.view(np.int8) if values.dtype == np.bool_ else values


def _source_rows(segments: Segments, spec: Spec, numbers: Lengths) -> pa.Array:
    rows = pa.array(numbers[segments.documents])
    if spec.packing == Packing.NONE:
        return rows
    return pa.ListArray.from_arrays(pa.array(offsets_of(segments.counts).astype(np.int32)), rows)
