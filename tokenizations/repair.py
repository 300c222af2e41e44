"""The rules behind the data fixes of tokenizers and tokenizations."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db import IntegrityError, transaction
from django.db.models import F

from datasets_app import live
from datasets_app.errors import JobError
from datasets_app.jobs import Status
from datasets_app.models import Dataset
from datasets_app.repair import RecordedFile, being_deleted, faults_of, hold_dataset, report, require_ready
from datasets_app.shards import FILTERED, REASONS
from tokenizations.engine.output_files import (
    MANIFEST,
    PATHS,
    OutputFile,
    data_path,
    files_of,
    ledger_path,
    statistics_path,
)
from tokenizations.engine.roles import guessed_roles
from tokenizations.engine.statistics import Statistics
from tokenizations.engine.vocabulary import beside
from tokenizations.models import Tokenization, TokenizationShard, Tokenizer
from tokenizations.reading import check_roles
from tokenizations.templates import check_chat_template

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAKE_AGAIN = "Restore the folder from a backup, or delete the tokenization and make it again."
# A ledger says in words what became of a row; only these two columns count.
LEDGER_COLUMNS = ["tokens", "kept", "reason"]
LEDGER_ROWS = 1 << 16
Placed = tuple[TokenizationShard, int, int]


def check_edit(tokenizer: Tokenizer, changes: dict[str, Any]) -> None:
    """Raise OptionError for roles or a chat template that cannot be used, also with each other. Takes some seconds."""
    if "roles" in changes:
        check_roles(changes["roles"], tokenizer.path)
    template = changes.get("chat_template", tokenizer.chat_template)
    if template and changes.keys() & {"roles", "chat_template"}:
        roles = changes.get("roles", tokenizer.roles) or guessed_roles(tokenizer.special_tokens)
        check_chat_template(template, roles)


def edit_tokenizer(tokenizer: Tokenizer, changes: dict[str, Any]) -> None:
    """Name, owner, roles or chat template; the latter two are checked before. JobError if the name is taken.

    Tokenizations keep what their specs say. The cards that show the tokenizer are redrawn.
    """
    try:
        with transaction.atomic():
            if not Tokenizer.objects.visible().filter(pk=tokenizer.pk).update(**changes):
                raise being_deleted()
            shown_on = list(Dataset.objects.visible().filter(tokenizations__tokenizer=tokenizer).distinct())
            for dataset in shown_on:
                dataset.touch()
                live.hint(dataset.pk)
    except IntegrityError as error:
        raise JobError(f"There is already a tokenizer named {changes.get('name')}.", "Choose another name.") from error


# Files


def verify_tokenization(tokenization: Tokenization, actor: "User | None") -> str:
    """Hash every file again. JobError names the missing and changed ones."""
    require_ready(tokenization)
    home = tokenization.path
    listed, faults = listed_files(home)
    recorded = dict(shard_files(tokenization))
    if any(listed[path] != sha256 for path, sha256 in recorded.items() if path in listed):
        faults.append(f"{MANIFEST} was changed")
    files = [RecordedFile(path, home / path, sha256) for path, sha256 in sorted({**listed, **recorded}.items())]
    return report(tokenization, len(files), faults + faults_of(files), MAKE_AGAIN, actor)


def listed_files(home: Path) -> tuple[dict[str, str], list[str]]:
    """The hashes that the manifest gives, by path, and what is wrong with the manifest itself."""
    try:
        return {file.path: file.sha256 for file in manifest_files(home)}, []
    except JobError as error:
        return {}, [str(error).rstrip(".")]


def manifest_files(home: Path) -> list[OutputFile]:
    try:
        return files_of(json.loads((home / MANIFEST).read_bytes()))
    except FileNotFoundError as error:
        raise JobError(f"{MANIFEST} is missing.", MAKE_AGAIN) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{MANIFEST} cannot be read.", MAKE_AGAIN) from error


def shard_files(tokenization: Tokenization) -> Iterator[tuple[str, str]]:
    """Path and hash of what the database knows by itself: the files of the shards."""
    for shard, number, count in placed_shards(tokenization):
        for file in shard.files:
            yield PATHS[file["role"]](shard.split, number, count), file["sha256"]


def placed_shards(tokenization: Tokenization) -> list[Placed]:
    """Every shard with its number among those of its split, and how many these are: what its files are named by."""
    by_split: dict[str, list[TokenizationShard]] = {}
    shard: Any
    for shard in TokenizationShard.objects.filter(job=tokenization).order_by("index"):
        by_split.setdefault(shard.split, []).append(shard)
    return [(shard, number, len(shards)) for shards in by_split.values() for number, shard in enumerate(shards)]


# Counts


def recount_tokenization(tokenization: Tokenization, actor: "User | None") -> str:
    """Counts from the ledgers and data files, figures from the statistics files, all in one transaction.

    JobError if a file cannot be read, or if what it says cannot be.
    """
    require_ready(tokenization)
    home = tokenization.path
    counted = {placed[0].pk: count_shard(home, placed) for placed in placed_shards(tokenization)}
    facts = {"statistics": read_statistics(tokenization), "output_bytes": output_bytes(home)}
    totals = {name: sum(counts[name] for counts in counted.values()) for name in ("kept", "processed", "tokens")}
    said = "Recounted: {kept:,} of {processed:,} rows kept, {tokens:,} tokens.".format(**totals)
    try:
        with transaction.atomic():
            hold_dataset(tokenization.dataset)
            record(tokenization, counted, facts)
            tokenization.tell("recounted", f"{tokenization.label}: {said}", actor, redraw=False)
    except IntegrityError as error:
        raise JobError("The ledgers contradict themselves.", "Verify the files to see which are damaged.") from error
    return said


def record(tokenization: Tokenization, counted: dict[int, dict[str, int]], facts: dict[str, Any]) -> None:
    mine = Tokenization.objects.visible().filter(pk=tokenization.pk, status=Status.READY)
    if not mine.update(version=F("version") + 1, **facts):
        raise being_deleted()
    for pk, counts in counted.items():
        TokenizationShard.objects.filter(pk=pk).update(version=F("version") + 1, **counts)


def count_shard(home: Path, placed: Placed) -> dict[str, int]:
    shard, number, count = placed
    counts = count_ledger(home / ledger_path(shard.split, number, count))
    if counts["processed"] != shard.rows_total:
        raise JobError(
            f"The ledger of shard {shard.index + 1} ({shard.where}) has {counts['processed']:,} rows.",
            "Verify the files to see which are damaged.",
        )
    counts |= count_sequences(home / data_path(shard.split, number, count))
    if shard.job.options.is_padding:  # which the data file does not tell from text
        path = home / statistics_path(shard.split, number, count)
        with readable(path):
            counts["tokens"] = Statistics.read(path).totals.tokens_written
    return counts


def count_ledger(path: Path) -> dict[str, int]:
    names = ("processed", "kept", *FILTERED, "with_reason", "tokens_processed")
    total = dict.fromkeys(names, 0)
    with readable(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(LEDGER_ROWS, columns=LEDGER_COLUMNS):
            kept, reasons = batch["kept"], batch["reason"]
            total["processed"] += batch.num_rows
            total["kept"] += pc.sum(kept).as_py() or 0
            for reason, field in zip(REASONS, FILTERED, strict=True):
                total[field] += rows_with(reasons, reason)
            total["with_reason"] += len(reasons) - reasons.null_count
            total["tokens_processed"] += pc.sum(batch["tokens"]).as_py() or 0
    total["filtered"] = sum(total[field] for field in FILTERED)
    total["errored"] = total.pop("with_reason") - total["filtered"]
    return total


def rows_with(reasons: pa.Array, reason: str) -> int:
    return pc.sum(pc.equal(reasons, reason)).as_py() or 0


def count_sequences(path: Path) -> dict[str, int]:
    """Only the offsets are read, however many tokens there are."""
    with readable(path), pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        lengths = [(batch.num_rows, len(batch["input_ids"].flatten())) for batch in stream]
    return {"sequences": sum(rows for rows, _ in lengths), "tokens": sum(tokens for _, tokens in lengths)}


def read_statistics(tokenization: Tokenization) -> dict[str, Any]:
    """The summary as it was written when the tokenization became ready."""
    by_split = {split: Statistics() for split in tokenization.options.splits}
    for shard, number, count in placed_shards(tokenization):
        path = tokenization.path / statistics_path(shard.split, number, count)
        with readable(path):
            by_split[shard.split] += Statistics.read(path)
    vocabulary = beside(tokenization.tokenizer.path)
    splits = {split: statistics.summary(vocabulary) for split, statistics in by_split.items()}
    return {**sum(by_split.values(), Statistics()).summary(vocabulary), "splits": splits}


def output_bytes(home: Path) -> int:
    total = 0
    for file in manifest_files(home):
        with readable(home / file.path):
            total += (home / file.path).stat().st_size
    return total


@contextmanager
def readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are among these
        advice = "Verify the files to see which are damaged."
        raise JobError(f"{path.parent.name}/{path.name} cannot be read.", advice) from error
