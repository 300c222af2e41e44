"""Turns the ids of whole rows into sequences: cut, and with the special tokens around them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tokenizations.engine.encoding import Ids, Offsets
from tokenizations.engine.spec import Spec
from tokenizations.engine.special_tokens import Frame

Mask = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """The kept rows after the cut: `content` uint32 and `lengths` int64 without special tokens, `ids` int32 with.

    `offsets`, int32, are those of the rows in `ids`; `whole` are the lengths before the cut.
    """

    content: Ids
    lengths: Lengths
    whole: Lengths
    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lengths)


def shape(ids: Ids, offsets: Offsets, kept: Mask, max_length: int | None, frame: Frame) -> Sequences:
    """Drop the rows that are not kept, cut the rest on the right to `max_length` with the frame, put the frame on."""
    whole = np.diff(offsets)[kept]
    lengths = whole if max_length is None else np.minimum(whole, max_length - len(frame))
    content = ids
    if int(lengths.sum()) != len(ids):
        content = ids[_inside(offsets[:-1][kept], lengths, len(ids))]
    framed, framed_offsets = _put_on(frame, content, lengths)
    return Sequences(content, lengths, whole, framed, framed_offsets)


def schema(spec: Spec) -> pa.Schema:
    """The columns of the output."""
    fields = [pa.field("input_ids", pa.list_(pa.int32()))]
    if spec.attention_mask:
        fields.append(pa.field("attention_mask", pa.list_(pa.int8())))
    return pa.schema(fields)


def record_batch(sequences: Sequences, spec: Spec) -> pa.RecordBatch:
    """The sequences as Arrow, with the mask if the spec asks for it."""
    offsets = pa.array(sequences.offsets)
    columns = [pa.ListArray.from_arrays(offsets, pa.array(sequences.ids))]
    if spec.attention_mask:
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(np.ones(len(sequences.ids), np.int8))))
    return pa.RecordBatch.from_arrays(columns, schema=schema(spec))


def _inside(starts: Offsets, lengths: Lengths, size: int) -> Mask:
    # +1 where a row starts and -1 where it ends: the running sum is 1 inside. Rows without tokens would count twice.
    starts, lengths = starts[lengths > 0], lengths[lengths > 0]
    steps = np.zeros(size + 1, np.int8)
    steps[starts] += 1
    steps[starts + lengths] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)


def _put_on(frame: Frame, content: Ids, lengths: Lengths) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths + len(frame), out=offsets[1:])
    if not len(frame):
        return content.view(np.int32), offsets
    framed = np.empty(offsets[-1], np.int32)
    is_content = np.ones(len(framed), np.bool_)
    places = [offsets[:-1] + position for position in range(len(frame.before))]
    places += [offsets[1:] - len(frame.after) + position for position in range(len(frame.after))]
    for place, token in zip(places, np.concatenate([frame.before, frame.after]), strict=True):
        framed[place] = token
        is_content[place] = False
    framed[is_content] = content.view(np.int32)
    return framed, offsets
