"""Works off one shard: reads its row groups, encodes, filters and shapes them, and writes its files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datasets_app.errors import disk_full_explained
from tokenizations.engine.batches import Part, TextBatch
from tokenizations.engine.cutting import Documents
from tokenizations.engine.output_files import DATA, LEDGER, STATISTICS
from tokenizations.engine.recipe import Cooked, LoadedTokenizer, Recipe
from tokenizations.engine.rows import ERRORED, FILTERED, Fate
from tokenizations.engine.selection import Selection
from tokenizations.engine.sequences import Sequences, record_batch, schema
from tokenizations.engine.shard_files import (
    SUFFIXES,
    FileFacts,
    HashedFile,
    Ledger,
    sync_directory,
)
from tokenizations.engine.spec import Spec
from tokenizations.engine.statistics import Statistics

Message = dict[str, Any]
# Documents whose lengths are counted at once.
COUNTED_TOGETHER = 1 << 16
NOTHING = np.empty(0, np.uint32)


@dataclass(frozen=True)
class ShardJob:
    """Row groups of a part, to be written to `<out>/<stem>.*`.

    `first_row` is the number of the first row in the split `split`, which has `split_rows`.
    """

    spec: Spec
    part: Path
    row_groups: range
    split: str
    split_rows: int
    first_row: int
    out: Path
    stem: str

    @classmethod
    def from_dict(cls, request: Mapping[str, Any]) -> Self:
        return cls(
            spec=Spec.from_dict(request["spec"]),
            part=Path(request["part"]),
            row_groups=range(*request["row_groups"]),
            split=request["split"],
            split_rows=request["split_rows"],
            first_row=request["first_row"],
            out=Path(request["out"]),
            stem=request["stem"],
        )

    def path(self, role: str) -> Path:
        return self.out / f"{self.stem}{SUFFIXES[role]}"


@dataclass
class Counts:
    """Of rows, but for `bytes` of text and the tokens; `kept + filtered + errored == processed` at any time."""

    processed: int = 0
    kept: int = 0
    filtered: int = 0
    errored: int = 0
    bytes: int = 0
    tokens_processed: int = 0
    tokens: int = 0
    sequences: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, batch: TextBatch, cooked: Cooked) -> None:
        """Rows are counted when they are encoded, sequences when they are written: packing comes between the two."""
        rows_of = np.bincount(cooked.rows.fates, minlength=len(Fate)).tolist()
        self.processed += len(batch)
        self.kept += rows_of[Fate.KEPT]
        self.filtered += sum(rows_of[fate] for fate in FILTERED)
        self.errored += sum(rows_of[fate] for fate in ERRORED)
        self.reasons.update({fate.reason: rows_of[fate] for fate in FILTERED | ERRORED if rows_of[fate]})
        self.bytes += batch.progress
        self.tokens_processed += len(cooked.rows.ids)

    def add_written(self, sequences: Sequences) -> None:
        self.tokens += int(sequences.unpadded.sum())
        self.sequences += len(sequences)

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {"reasons": dict(sorted(self.reasons.items()))}


def encode_shard(job: ShardJob, tokenizer: LoadedTokenizer) -> Iterator[Message]:
    """Yield the stage, the counts after each batch, and last `{"done": {"counts", "files"}}` with the files on disk.

    The same input gives the same bytes. Raises JobError for what the user can mend, and Mismatch when the fast encoder
    is found to be wrong.
    """
    yield {"stage": "Loading Dataset"}
    part = Part(job.part)
    yield {"stage": "Analyzing Schema"}
    recipe = Recipe(job.spec, tokenizer)
    part.check(recipe.source)
    yield {"stage": "Tokenizing"}
    shard = _Shard(job, recipe)
    with disk_full_explained():
        with HashedFile(job.path(DATA)) as data, pa.ipc.new_stream(data, schema(job.spec)) as stream:
            for batch in shard.batches(part):
                shard.take(batch, stream)
                yield {"counts": shard.counts.to_dict()}
            shard.finish(stream)
        yield {"stage": "Saving"}
        shard.statistics.add_vocabulary(tokenizer.vocabulary, tokenizer.unknown_id)
        files = [data.facts(DATA, shard.counts.sequences), *_write_tables(job, shard)]
    yield {"done": {"counts": shard.counts.to_dict(), "files": [file.to_dict() for file in files]}}


class _Shard:
    """The state of one shard while it is worked off."""

    def __init__(self, job: ShardJob, recipe: Recipe) -> None:
        self._job = job
        self._recipe = recipe
        self.shaper = recipe.shaper()
        self.counts, self.statistics, self.ledger = Counts(), Statistics(), Ledger()
        self._lengths: list[Documents] = []

    def batches(self, part: Part) -> Iterator[TextBatch]:
        job, recipe = self._job, self._recipe
        selection = Selection(job.spec, job.split, job.split_rows)
        return part.batches(job.row_groups, recipe.source, selection, job.first_row, recipe.encoder.batch_bytes)

    def take(self, batch: TextBatch, stream: pa.ipc.RecordBatchStreamWriter) -> None:
        cooked = self._recipe.cook(batch)
        documents = self.shaper.documents(cooked.rows, batch.numbers)
        self.counts.add(batch, cooked)
        self.ledger.add(cooked.rows, batch.numbers, cooked.junk_ratios)
        self.statistics.add(batch.texts, cooked.rows, documents)
        self._lengths.append(replace(documents, content=NOTHING, marks=None))
        if sum(map(len, self._lengths)) >= COUNTED_TOGETHER:
            self._count_lengths()
        self._write(self.shaper.add(documents), stream)

    def finish(self, stream: pa.ipc.RecordBatchStreamWriter) -> None:
        self._count_lengths()
        self._write(self.shaper.rest(), stream)
        self.statistics.add_shaping(self.shaper.specials, self.shaper.repeated, self.shaper.dropped)

    def _count_lengths(self) -> None:
        if self._lengths:
            self.statistics.add_lengths(self._lengths)
        self._lengths = []

    def _write(self, made: Iterator[Sequences], stream: pa.ipc.RecordBatchStreamWriter) -> None:
        spec = self._job.spec
        for sequences in made:
            if len(sequences):
                numbers = self.shaper.numbers if spec.source_row else None
                stream.write_batch(record_batch(sequences, spec, numbers))
                self.counts.add_written(sequences)
                self.statistics.add_sequences(sequences, is_own_table=not spec.is_one_to_one)


def _write_tables(job: ShardJob, shard: _Shard) -> list[FileFacts]:
    with HashedFile(job.path(LEDGER)) as ledger_file:
        shard.ledger.write(ledger_file, shard.shaper.places())
    with HashedFile(job.path(STATISTICS)) as statistics_file:
        shard.statistics.write(statistics_file)
    sync_directory(job.out)
    rows = shard.ledger.rows
    return [ledger_file.facts(LEDGER, rows), statistics_file.facts(STATISTICS, rows)]
