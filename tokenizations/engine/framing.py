"""Puts the special tokens around pieces of text."""

import numpy as np

from tokenizations.engine.cutting import Pieces
from tokenizations.engine.ragged import Lengths, Mask, offsets_of
from tokenizations.engine.sequences import ASSISTANT, INPUT_IDS, SPECIAL, Segments, Sequences
from tokenizations.engine.special_tokens import Frame


def framed(pieces: Pieces, frame: Frame, first_document: int, *, is_special: bool) -> Sequences:
    """Sequences of one document each, numbered from `first_document` on; with a special tokens mask if asked for."""
    has_bos, has_eos = _ends(pieces, frame)
    befores, afters = has_bos + len(frame.before), has_eos + len(frame.after)
    lengths = pieces.lengths + befores + afters
    offsets = offsets_of(lengths)
    content = pieces.content.view(np.int32)
    tokens = {INPUT_IDS: content}
    inner = None
    if offsets[-1] != len(content):
        inner = np.ones(offsets[-1], np.bool_)
        tokens[INPUT_IDS] = _put_on(frame, content, offsets, (has_bos, has_eos), inner)
    if is_special:
        tokens[SPECIAL] = np.zeros(offsets[-1], np.bool_) if inner is None else ~inner
    if pieces.marks is not None:
        marks = np.zeros(offsets[-1], np.int8)
        marks[slice(None) if inner is None else inner] = pieces.marks
        tokens[ASSISTANT] = marks
    segments = Segments(pieces.documents + first_document, lengths, np.ones(len(lengths), np.int64))
    return Sequences(tokens, lengths, segments)


def _ends(pieces: Pieces, frame: Frame) -> tuple[Lengths, Lengths]:
    """1 for each piece that gets a BOS, or an EOS, of its own; 0 for those that begin or end with one."""
    offsets = offsets_of(pieces.lengths)
    full = pieces.lengths > 0
    ends = []
    for token, is_outermost, places in (
        (frame.bos, not len(frame.before), offsets[:-1]),
        (frame.eos, not len(frame.after), offsets[1:] - 1),
    ):
        wanted = np.full(len(full), token is not None)
        if token is not None and is_outermost:
            wanted[full] = pieces.content[places[full]] != token
        ends.append(wanted.astype(np.int64))
    return ends[0], ends[1]


def _put_on(
    frame: Frame, content: "np.ndarray", offsets: Lengths, ends: tuple[Lengths, Lengths], inner: Mask
) -> "np.ndarray":
    tokens = np.empty(offsets[-1], np.int32)
    has_bos, has_eos = ends
    starts, stops = offsets[:-1], offsets[1:]
    stretches = [
        (starts[has_bos == 1], frame.bos),
        (stops[has_eos == 1] - 1, frame.eos),
        *((starts + has_bos + place, token) for place, token in enumerate(frame.before)),
        *((stops - has_eos - len(frame.after) + place, token) for place, token in enumerate(frame.after)),
    ]
    for places, token in stretches:
        if token is not None:
            tokens[places] = token
            inner[places] = False
    tokens[inner] = content
    return tokens
