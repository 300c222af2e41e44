"""Works off one shard: reads its row groups, encodes, filters and shapes them, and writes its files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from datasets_app.errors import disk_full_explained
from tokenizations.engine.batches import Part, TextBatch
from tokenizations.engine.recipe import Cooked, LoadedTokenizer, Recipe
from tokenizations.engine.rows import ERRORED, FILTERED, Fate
from tokenizations.engine.shaping import record_batch, schema
from tokenizations.engine.shard_files import (
    DATA,
    LEDGER,
    STATISTICS,
    SUFFIXES,
    FileFacts,
    HashedFile,
    Ledger,
    sync_directory,
)
from tokenizations.engine.spec import Spec
from tokenizations.engine.statistics import Statistics

Message = dict[str, Any]


@dataclass(frozen=True)
class ShardJob:
    """Row groups of a part, to be written to `<out>/<stem>.*`; `first_row` is the first one's number in the split."""

    spec: Spec
    part: Path
    row_groups: range
    first_row: int
    out: Path
    stem: str

    @classmethod
    def from_dict(cls, request: Mapping[str, Any]) -> Self:
        return cls(
            spec=Spec.from_dict(request["spec"]),
            part=Path(request["part"]),
            row_groups=range(*request["row_groups"]),
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
        rows_of = np.bincount(cooked.rows.fates, minlength=len(Fate)).tolist()
        self.processed += len(batch)
        self.kept += rows_of[Fate.KEPT]
        self.filtered += sum(rows_of[fate] for fate in FILTERED)
        self.errored += sum(rows_of[fate] for fate in ERRORED)
        self.reasons.update({fate.reason: rows_of[fate] for fate in FILTERED | ERRORED if rows_of[fate]})
        self.bytes += int(batch.sizes.sum())
        self.tokens_processed += len(cooked.rows.ids)
        self.tokens += len(cooked.sequences.ids)
        self.sequences += len(cooked.sequences)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"reasons": dict(sorted(self.reasons.items()))}


def encode_shard(job: ShardJob, tokenizer: LoadedTokenizer) -> Iterator[Message]:
    """Yield the stage, the counts after each batch, and last `{"done": {"counts", "files"}}` with the files on disk.

    The same input gives the same bytes. Raises JobError for what the user can mend.
    """
    yield {"stage": "Loading Dataset"}
    part = Part(job.part)
    yield {"stage": "Analyzing Schema"}
    part.check_column(job.spec.text_column)
    recipe = Recipe(job.spec, tokenizer)
    yield {"stage": "Tokenizing"}
    counts, statistics, ledger = Counts(), Statistics(), Ledger(job.first_row)
    with disk_full_explained():
        with HashedFile(job.path(DATA)) as data, pa.ipc.new_stream(data, schema(job.spec)) as stream:
            for batch in part.batches(job.row_groups, job.spec.text_column, recipe.encoder.batch_bytes):
                cooked = recipe.cook(batch)
                if len(cooked.sequences):
                    stream.write_batch(record_batch(cooked.sequences, job.spec))
                ledger.add(cooked.rows, cooked.junk_ratios)
                statistics.add(batch.texts, cooked.rows, cooked.sequences)
                counts.add(batch, cooked)
                yield {"counts": counts.to_dict()}
        yield {"stage": "Saving"}
        statistics.add_vocabulary(tokenizer.vocabulary, tokenizer.unknown_id)
        files = [data.facts(DATA, counts.sequences), *_write_tables(job, ledger, statistics)]
    yield {"done": {"counts": counts.to_dict(), "files": [file.to_dict() for file in files]}}


def _write_tables(job: ShardJob, ledger: Ledger, statistics: Statistics) -> list[FileFacts]:
    with HashedFile(job.path(LEDGER)) as ledger_file:
        ledger.write(ledger_file)
    with HashedFile(job.path(STATISTICS)) as statistics_file:
        statistics.write(statistics_file)
    sync_directory(job.out)
    return [ledger_file.facts(LEDGER, ledger.rows), statistics_file.facts(STATISTICS, ledger.rows)]
