"""Every way to make sequences, beside the same thing done slowly, one token at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.errors import JobError
from tests.engine_samples import patiently, spec
from tokenizations.engine.packing import best_fit_decreasing
from tokenizations.engine.rows import EncodedRows, Fate
from tokenizations.engine.rules import Traits, check, resolved
from tokenizations.engine.sequences import record_batch
from tokenizations.engine.shaping import Shaper
from tokenizations.engine.spec import Spec
from tokenizations.engine.special_tokens import Frame

BOS, EOS, CLS, SEP, PAD = 0, 1, 2, 3, 4
TRAITS = Traits(2, {"bos": "<s>", "eos": "</s>", "pad": "<pad>"}, frozenset({"<s>", "</s>", "<pad>"}))

documents = st.lists(st.none() | st.lists(st.integers(0, 9), max_size=12), max_size=12)
FLAGS = (
    *("special_tokens", "prepend_bos", "append_eos", "attention_mask", "special_tokens_mask"),
    *("position_ids", "document_ids", "length", "source_row"),
)
options = st.fixed_dictionaries(
    {
        "max_length": st.sampled_from([None, 5, 6, 8, 13]),
        "truncation": st.sampled_from(["right", "left", "windows"]),
        "stride": st.sampled_from([0, 1]),
        "packing": st.sampled_from(["none", "concatenate", "best_fit"]),
        "last_block": st.sampled_from(["keep", "pad", "drop"]),
        "padding": st.sampled_from(["none", "max_length", "longest"]),
        "padding_side": st.sampled_from(["left", "right"]),
        "pad_to_multiple_of": st.sampled_from([None, 4]),
    }
    | dict.fromkeys(FLAGS, st.booleans())
)  # fmt: skip


@dataclass
class Row:
    """One sequence: (token, is special, document) by place."""

    tokens: list[tuple[int, bool, int]] = field(default_factory=list)

    def columns(self, chosen: Spec, target: int, source_rows: list[int]) -> dict[str, Any]:
        padding = max(target - len(self.tokens), 0)
        left = padding if chosen.padding_side == "left" else 0

        def padded(values: list[int], filler: int) -> list[int]:
            return [filler] * left + values + [filler] * (padding - left)

        seen = list(dict.fromkeys(document for _, _, document in self.tokens))
        positions = [
            place - next(first for first, other in enumerate(self.tokens) if other[2] == document)
            for place, (_, _, document) in enumerate(self.tokens)
        ]
        columns: dict[str, Any] = {
            "input_ids": padded([token for token, _, _ in self.tokens], PAD),
            "attention_mask": padded([1] * len(self.tokens), 0),
            "special_tokens_mask": padded([int(special) for _, special, _ in self.tokens], 1),
            "position_ids": padded(positions, 0),
            "document_ids": padded([seen.index(document) for _, _, document in self.tokens], -1),
            "length": len(self.tokens),
        }
        kept = {name: value for name, value in columns.items() if name == "input_ids" or getattr(chosen, name)}
        if chosen.source_row:
            kept["source_row"] = [source_rows[document] for document in seen]
        return kept


def frame_for(chosen: Spec) -> Frame:
    ends = chosen.append_eos or chosen.packing == "concatenate"
    before, after = ([CLS], [SEP]) if chosen.special_tokens else ([], [])
    frame = Frame(np.array(before, np.int32), np.array(after, np.int32))
    return frame.with_ends(BOS if chosen.prepend_bos else None, EOS if ends else None)


def framed(piece: list[int], frame: Frame, document: int) -> Row:
    before, after = frame.before.tolist(), frame.after.tolist()
    if frame.bos is not None and (before + piece)[:1] != [frame.bos]:
        before = [frame.bos, *before]
    if frame.eos is not None and (piece + after)[-1:] != [frame.eos]:
        after = [*after, frame.eos]
    marked = [(before, True), (piece, False), (after, True)]
    return Row([(token, special, document) for tokens, special in marked for token in tokens])


def pieces_of(document: list[int], chosen: Spec, room: int | None) -> Iterator[list[int]]:
    if room is None or chosen.packing == "concatenate":
        yield document
    elif chosen.truncation == "right":
        yield document[:room]
    elif chosen.truncation == "left":
        yield document[max(len(document) - room, 0) :]
    else:
        start = 0
        while start == 0 or start - (room - chosen.stride) + room < len(document):
            yield document[start : start + room]
            start += room - chosen.stride


def packed(rows: list[Row], chosen: Spec) -> list[Row]:
    if chosen.packing == "none":
        return rows
    assert chosen.max_length is not None
    if chosen.packing == "concatenate":
        stream = list(chain.from_iterable(row.tokens for row in rows))
        edges = [*range(0, len(stream), chosen.max_length), len(stream)]
        blocks = [Row(stream[start:stop]) for start, stop in pairwise(edges) if start < stop]
        if chosen.last_block == "drop" and blocks and len(blocks[-1].tokens) < chosen.max_length:
            blocks.pop()
        return blocks
    bins = slow_best_fit([len(row.tokens) for row in rows], chosen.max_length)
    members = sorted(sorted(members) for members in bins)
    return [Row(list(chain.from_iterable(rows[number].tokens for number in found))) for found in members]


def slow_best_fit(lengths: list[int], capacity: int) -> list[list[int]]:
    bins: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        rooms = [capacity - sum(lengths[other] for other in members) for members in bins]
        fits = [place for place, room in enumerate(rooms) if room >= lengths[number]]
        if not lengths[number]:
            continue
        if fits:
            bins[min(fits, key=lambda place: (rooms[place], place))].append(number)
        else:
            bins.append([number])
    return bins


def expected_rows(documents: list[list[int] | None], chosen: Spec) -> list[dict[str, Any]]:
    frame = frame_for(chosen)
    room = None if chosen.max_length is None else chosen.max_length - len(frame)
    kept = [document for document in documents if document is not None]
    source_rows = [row for row, document in enumerate(documents) if document is not None]
    rows = [
        framed(piece, frame, number)
        for number, document in enumerate(kept)
        for piece in pieces_of(document, chosen, room)
    ]
    rows = packed(rows, chosen)
    multiple = chosen.pad_to_multiple_of or 1
    target = 0
    if chosen.padding == "longest":
        target = max((len(row.tokens) for row in rows), default=0)
    elif chosen.padding == "max_length" or (chosen.last_block == "pad" and chosen.packing == "concatenate"):
        target = chosen.max_length or 0
    target = -(-target // multiple) * multiple
    found = [row.columns(chosen, target, source_rows) for row in rows]
    if chosen.packing == "none" and chosen.source_row:
        owners = [
            source_rows[number] for number, document in enumerate(kept) for _ in pieces_of(document, chosen, room)
        ]
        for row, owner in zip(found, owners, strict=True):
            row["source_row"] = owner
    return found


def batches_of(documents: list[list[int] | None], cuts: list[int]) -> Iterator[tuple[EncodedRows, Any]]:
    edges = sorted({0, len(documents), *(cut for cut in cuts if cut < len(documents))})
    for start, stop in pairwise(edges):
        some = documents[start:stop]
        ids = np.array([token for document in some for token in document or []], np.uint32)
        offsets = np.concatenate([[0], np.cumsum([len(document or []) for document in some])]).astype(np.int64)
        fates = np.array([Fate.EMPTY if document is None else Fate.KEPT for document in some], np.uint8)
        yield EncodedRows(ids, offsets, fates), np.arange(start, stop)


def shaped(documents: list[list[int] | None], cuts: list[int], chosen: Spec) -> tuple[list[dict[str, Any]], Shaper]:
    shaper = Shaper(chosen, frame_for(chosen), PAD)
    rows: list[dict[str, Any]] = []

    def write(made: Any) -> None:
        for sequences in made:
            rows.extend(record_batch(sequences, chosen, shaper.numbers).to_pylist())

    for encoded, numbers in batches_of(documents, cuts):
        write(shaper.add(shaper.documents(encoded, numbers)))
    write(shaper.rest())
    return rows, shaper


@patiently
@given(documents, st.lists(st.integers(1, 11), max_size=3), options)
def test_sequences_are_what_they_are_when_made_token_by_token(
    documents: list[list[int] | None], cuts: list[int], options: dict[str, Any]
) -> None:
    chosen = resolved(spec(**options), TRAITS)
    try:
        check(chosen, TRAITS)
    except JobError:
        return

    rows, shaper = shaped(documents, cuts, chosen)

    assert rows == expected_rows(documents, chosen)
    assert_ledger_closes(documents, rows, shaper, chosen)


def assert_ledger_closes(
    documents: list[list[int] | None], rows: list[dict[str, Any]], shaper: Shaper, chosen: Spec
) -> None:
    came_in = sum(len(document) for document in documents if document is not None)
    room = None if chosen.max_length is None else chosen.max_length - len(frame_for(chosen))
    cut = 0
    if room is not None and chosen.packing != "concatenate" and chosen.truncation != "windows":
        cut = sum(max(len(document) - room, 0) for document in documents if document is not None)
    if not chosen.length:
        return
    written = sum(row["length"] for row in rows)
    assert came_in + shaper.repeated + shaper.specials == written + cut + shaper.dropped


# Most random choices do not go together: these do.
@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 8, "truncation": "windows", "stride": 2, "source_row": True},
        {"max_length": 8, "truncation": "windows", "stride": 2, "padding": "longest", "padding_side": "left"},
        {"max_length": 8, "truncation": "left", "padding": "max_length", "special_tokens_mask": True},
        {"max_length": 8, "packing": "concatenate", "position_ids": True, "document_ids": True, "source_row": True},
        {"max_length": 8, "packing": "concatenate", "last_block": "drop", "length": True},
        {"max_length": 8, "packing": "concatenate", "last_block": "pad", "special_tokens_mask": True},
        {"max_length": 13, "packing": "best_fit", "document_ids": True, "position_ids": True, "source_row": True},
        {"max_length": 13, "packing": "best_fit", "padding": "max_length", "document_ids": True},
        {"max_length": 8, "packing": "best_fit", "truncation": "windows", "stride": 1, "length": True},
        {"padding": "longest", "pad_to_multiple_of": 4, "append_eos": True, "special_tokens": False},
        {"prepend_bos": True, "append_eos": True, "special_tokens": False, "special_tokens_mask": True},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
@pytest.mark.parametrize("seed", range(20))
def test_what_goes_together_is_right_together(options: dict[str, Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 25, 30)
    documents = [None if random.random() < 0.1 else random.integers(0, 9, length).tolist() for length in lengths]
    chosen = resolved(spec(**options), TRAITS)
    check(chosen, TRAITS)

    rows, shaper = shaped(documents, [7, 8, 20], chosen)

    assert rows == expected_rows(documents, chosen)
    assert_ledger_closes(documents, rows, shaper, chosen)


def test_a_batch_to_be_padded_has_a_thousand_rows() -> None:
    documents: list[list[int] | None] = [[5] * (3 if number == 1500 else 1) for number in range(2500)]
    chosen = resolved(spec(padding="longest", special_tokens=False), TRAITS)

    rows, _ = shaped(documents, [300, 999, 1000, 1700], chosen)

    assert [len(row["input_ids"]) for row in rows] == [1] * 1000 + [3] * 1000 + [1] * 500


@patiently
@given(st.lists(st.integers(0, 20), max_size=60), st.integers(20, 40))
def test_blocks_are_those_of_best_fit_decreasing(lengths: list[int], capacity: int) -> None:
    blocks = best_fit_decreasing(np.array(lengths, np.int64), capacity)

    found = [np.flatnonzero(blocks == block).tolist() for block in range(blocks.max(initial=-1) + 1)]
    assert sorted(found) == sorted(sorted(members) for members in slow_best_fit(lengths, capacity))


@patiently
@given(documents, st.sampled_from(["windows", "concatenate", "best_fit"]))
def test_every_row_knows_its_sequences(documents: list[list[int] | None], way: str) -> None:
    how = {"truncation": "windows"} if way == "windows" else {"packing": way}
    chosen = resolved(spec(max_length=6, special_tokens=False, source_row=True, **how), TRAITS)

    rows, shaper = shaped(documents, [5], chosen)

    places = shaper.places()
    assert places is not None
    offsets, found = places
    kept = [row for row, document in enumerate(documents) if document is not None]
    for row, start, stop in zip(kept, offsets[:-1], offsets[1:], strict=True):
        sources = [rows[sequence]["source_row"] for sequence in found[start:stop]]
        assert all(row == source or row in np.atleast_1d(source) for source in sources)
    assert len(found) == sum(len(np.atleast_1d(row["source_row"])) for row in rows)


def test_padding_to_a_million_tokens_is_handed_out_in_pieces() -> None:
    shaper = Shaper(spec(padding="max_length", max_length=1_048_576), Frame(np.empty(0), np.empty(0)), PAD)
    encoded, numbers = next(batches_of([[5]] * 8, []))

    sizes = [len(made.tokens["input_ids"]) for made in shaper.add(shaper.documents(encoded, numbers))]

    assert sizes == [1_048_576] * 8
