"""Exact figures of a tokenization that any number of shards can count apart and merge."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tokenizations.engine.cutting import Documents
from tokenizations.engine.histogram import Histogram, Numbers, round_width
from tokenizations.engine.rows import EncodedRows, Fate
from tokenizations.engine.sequences import Sequences
from tokenizations.engine.shard_files import HashedFile, read_parquet
from tokenizations.engine.vocabulary import Vocabulary

PERCENTILES = (5, 25, 75, 90, 95, 99)
TOP_TOKENS = 20
BARS = 40
AXIS_END = (995, 1000)
SPACE = ord(" ")
SCHEMA = pa.schema([("of", pa.string()), ("value", pa.int64()), ("count", pa.int64())])
TOTALS = b"totals"


@dataclass
class Totals:
    """Plain sums. Special tokens are in `tokens_written` and `special_tokens` only.

    The ledger closes: `tokens_in + tokens_repeated + special_tokens == tokens_written + tokens_cut + tokens_dropped +
    sum(tokens_lost.values())`. Repeated are those that a window has in common with the one before, dropped those that
    packing left out. `padding` stands apart.
    """

    rows_in: int = 0
    rows_cut: int = 0
    tokens_in: int = 0
    tokens_written: int = 0
    tokens_cut: int = 0
    special_tokens: int = 0
    tokens_repeated: int = 0
    tokens_dropped: int = 0
    padding: int = 0
    text_bytes: int = 0  # this and the next two are of the kept rows, before the cut
    characters: int = 0
    words: int = 0
    unknown_tokens: int = 0
    pieces: int = 0
    rows_lost: Counter[str] = field(default_factory=Counter)
    tokens_lost: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def to_dict(self) -> dict[str, Any]:
        lost = {
            "rows_lost": dict(sorted(self.rows_lost.items())),
            "tokens_lost": dict(sorted(self.tokens_lost.items())),
        }
        return vars(self) | lost


@dataclass
class Statistics:
    """Of documents: `lengths` are as written and `whole_lengths` before the cut, `frequencies` int64 by token id.

    None of the three counts special tokens, padding, or a token twice that stands in two windows. Where sequences are
    not documents, `sequence_lengths` are theirs, with special tokens, without padding.
    """

    lengths: Histogram = field(default_factory=Histogram)
    whole_lengths: Histogram = field(default_factory=Histogram)
    frequencies: Numbers = field(default_factory=lambda: np.empty(0, np.int64))
    totals: Totals = field(default_factory=Totals)
    sequence_lengths: Histogram = field(default_factory=Histogram)

    def __add__(self, other: "Statistics") -> "Statistics":
        longer, shorter = sorted([self.frequencies, other.frequencies], key=len, reverse=True)
        frequencies = longer.copy()
        frequencies[: len(shorter)] += shorter
        lengths, whole_lengths = self.lengths + other.lengths, self.whole_lengths + other.whole_lengths
        sequence_lengths = self.sequence_lengths + other.sequence_lengths
        return Statistics(lengths, whole_lengths, frequencies, self.totals + other.totals, sequence_lengths)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        return (
            (self.lengths, self.whole_lengths, self.totals, self.sequence_lengths)
            == (other.lengths, other.whole_lengths, other.totals, other.sequence_lengths)
            and np.array_equal(np.trim_zeros(self.frequencies, "b"), np.trim_zeros(other.frequencies, "b"))
        )  # fmt: skip

    def add(self, texts: pa.Array, rows: EncodedRows, documents: Documents) -> None:
        """Count a batch: its texts, what they were encoded to, and the documents that were made of those.

        All but how long these are, which `add_lengths` counts.
        """
        self._add_tokens(rows.places if documents.content is rows.ids else documents.content)
        kept = rows.fates == Fate.KEPT
        kept_texts = texts if kept.all() else texts.filter(pa.array(kept))
        self._add_rows(rows, documents)
        self._add_texts(kept_texts)

    def add_lengths(self, documents: Sequence[Documents]) -> None:
        """Of many batches at once: to sort a few hundred lengths costs as much as to sort thousands."""
        self.lengths += Histogram.of(np.concatenate([each.lengths for each in documents]))
        self.whole_lengths += Histogram.of(np.concatenate([each.whole for each in documents]))

    def add_sequences(self, sequences: Sequences, *, is_own_table: bool) -> None:
        """Count what is written; in a table of its own where sequences are not documents."""
        unpadded = sequences.unpadded
        padding = 0 if sequences.padding is None else int(sequences.padding.sum())
        self.totals.tokens_written += int(unpadded.sum())
        self.totals.padding += padding
        if is_own_table:
            self.sequence_lengths += Histogram.of(unpadded)

    def add_shaping(self, specials: int, repeated: int, dropped: int) -> None:
        """What a Shaper has counted, once all is added."""
        self.totals.special_tokens += specials
        self.totals.tokens_repeated += repeated
        self.totals.tokens_dropped += dropped

    def add_vocabulary(self, vocabulary: Vocabulary, unknown_id: int | None) -> None:
        """Count, once all is added, unknown tokens and pieces of multi-byte characters."""
        frequencies = self.frequencies
        if unknown_id is not None and unknown_id < len(frequencies):
            self.totals.unknown_tokens = int(frequencies[unknown_id])
        self.totals.pieces = int(frequencies[vocabulary.pieces[: len(frequencies)]].sum())

    def top_tokens(self, number: int) -> list[tuple[int, int]]:
        """(id, count) of the most frequent tokens, the smaller id first where two are equal."""
        order = np.argsort(-self.frequencies, kind="stable")[:number]
        return [(int(token), int(self.frequencies[token])) for token in order if self.frequencies[token]]

    def summary(self, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
        """JSON-able figures; None where there is nothing to divide by or to rank, or no vocabulary to look into."""
        totals = self.totals
        tokens = self.whole_lengths.total
        return {
            "rows": self.lengths.rows,
            "tokens": self.lengths.total,
            **_figures(self.lengths),
            "before_cut": {"tokens": tokens, **_figures(self.whole_lengths)},
            "histogram": self._histogram(),
            "sequences": self._sequences(),
            **self._vocabulary(vocabulary),
            "bytes_per_token": totals.text_bytes / tokens if tokens else None,
            "characters_per_token": totals.characters / tokens if tokens else None,
            "tokens_per_word": tokens / totals.words if totals.words else None,
            "unknown_share": totals.unknown_tokens / self.lengths.total if self.lengths.total else None,
            "byte_fallback_share": totals.pieces / self.lengths.total if self.lengths.total else None,
            **totals.to_dict(),
        }

    def _histogram(self) -> list[list[int]]:
        """[first length, documents] of at most BARS steps of one round width.

        They end just past p99.5, so that a few very long documents do not press all others into one bar; the last step
        has those too.
        """
        end = self.lengths.percentile(*AXIS_END) or 0
        width = round_width(end, BARS - 1)
        return [list(step) for step in self.lengths.steps(width, end // width + 2)]

    def _sequences(self) -> dict[str, Any] | None:
        lengths = self.sequence_lengths
        return {"rows": lengths.rows, "tokens": lengths.total, **_figures(lengths)} if lengths.rows else None

    def _vocabulary(self, vocabulary: Vocabulary | None) -> dict[str, Any]:
        unique, size = int(np.count_nonzero(self.frequencies)), vocabulary.size if vocabulary else None
        texts = vocabulary.texts if vocabulary else None
        return {
            "unique_tokens": unique,
            "vocabulary": {"size": size, "unique": unique, "coverage": unique / size if size else None},
            "top_tokens": [
                [token, texts[token] if texts else None, count] for token, count in self.top_tokens(TOP_TOKENS)
            ],
        }

    def write(self, file: Path | BinaryIO | HashedFile) -> None:
        """As Parquet, the same bytes for the same figures."""
        used = np.flatnonzero(self.frequencies)
        parts = {
            "length": (self.lengths.values, self.lengths.counts),
            "whole length": (self.whole_lengths.values, self.whole_lengths.counts),
            "token": (used, self.frequencies[used]),
            "sequence length": (self.sequence_lengths.values, self.sequence_lengths.counts),
        }
        columns = [
            np.repeat(list(parts), [len(values) for values, _ in parts.values()]),
            np.concatenate([values for values, _ in parts.values()]),
            np.concatenate([counts for _, counts in parts.values()]),
        ]
        totals = json.dumps(self.totals.to_dict(), sort_keys=True).encode()
        arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=SCHEMA.with_metadata({TOTALS: totals}))
        pq.write_table(table, file, compression="zstd")

    @classmethod
    def read(cls, source: Path | bytes) -> "Statistics":
        """The inverse of `write`."""
        table = read_parquet(BytesIO(source) if isinstance(source, bytes) else source)
        totals = json.loads(table.schema.metadata[TOTALS])
        for name in ("rows_lost", "tokens_lost"):
            totals[name] = Counter(totals[name])
        tokens = _part(table, "token")
        frequencies = np.zeros((tokens.max or 0) + 1 if tokens.rows else 0, np.int64)
        frequencies[tokens.values] = tokens.counts
        return cls(
            _part(table, "length"),
            _part(table, "whole length"),
            frequencies,
            Totals(**totals),
            _part(table, "sequence length"),
        )

    def _add_rows(self, rows: EncodedRows, documents: Documents) -> None:
        totals, lengths = self.totals, np.diff(rows.offsets)
        totals.rows_in += len(rows.fates)
        totals.rows_cut += int(np.count_nonzero(documents.whole > documents.lengths))
        totals.tokens_in += len(rows.ids)
        totals.tokens_cut += int(documents.whole.sum()) - len(documents.content)
        for fate, count in enumerate(np.bincount(rows.fates, minlength=len(Fate)).tolist()):
            if count and fate != Fate.KEPT:
                totals.rows_lost[Fate(fate).reason] += count
                if tokens := int(lengths[rows.fates == fate].sum()):
                    totals.tokens_lost[Fate(fate).reason] += tokens

    def _add_texts(self, texts: pa.Array) -> None:
        self.totals.text_bytes += pc.sum(pc.binary_length(texts)).as_py() or 0
        self.totals.characters += pc.sum(pc.utf8_length(texts)).as_py() or 0
        self.totals.words += count_words(texts)

    def _add_tokens(self, content: npt.NDArray[Any]) -> None:
        if not len(content):
            return
        counts = np.bincount(content, minlength=len(self.frequencies))
        counts[: len(self.frequencies)] += self.frequencies
        self.frequencies = counts


def count_words(texts: pa.Array) -> int:
    """Runs of anything but ASCII space and control characters, counted in each text by itself; no text may be null."""
    if not len(texts):
        return 0
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, kind)[texts.offset : texts.offset + len(texts) + 1]
    if offsets[0] == offsets[-1]:
        return 0
    is_word = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]] > SPACE
    starts = np.count_nonzero(is_word[1:] & ~is_word[:-1]) + int(is_word[0])
    firsts = offsets[:-1][np.diff(offsets) > 0][1:] - offsets[0]
    # A word at the start of a text is one more where the text before it ends in a word.
    return int(starts + np.count_nonzero(is_word[firsts] & is_word[firsts - 1]))


def _figures(lengths: Histogram) -> dict[str, Any]:
    return {
        "mean": lengths.mean,
        "min": lengths.min,
        "max": lengths.max,
        "median": lengths.median,
        "percentiles": {str(percent): lengths.percentile(percent) for percent in PERCENTILES},
    }


def _part(table: pa.Table, of: str) -> Histogram:
    rows = table.filter(pc.equal(table["of"], of))
    return Histogram(rows["value"].to_numpy().copy(), rows["count"].to_numpy().copy())
