"""The work of a tokenization: shards in engine children, and at the end one dataset under canonical names."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from datasets_app import live, storage
from datasets_app.errors import Cancelled, JobError
from datasets_app.jobs import Job, Status
from datasets_app.leases import Claim
from datasets_app.shards import Shard
from datasets_app.slots import Keep
from tokenizations.engine.encoder_names import FAST, REFERENCE
from tokenizations.engine.output_files import MANIFEST, PATHS, OutputFile
from tokenizations.models import Tokenization

ENTRY_POINTS = (MANIFEST, "dataset_dict.json")


class TokenizeWork:
    model: type[Job] = Tokenization
    child_module = "tokenizations.engine.child"

    def request(self, claim: Claim, out: Path) -> dict[str, Any]:
        job: Any = claim.job
        shard: Any = claim.shard
        return {
            "spec": job.spec,
            "tokenizer": str(job.tokenizer.path),
            "encoder": job.encoder,
            "probe": None if job.encoder else self._probe(job),
            "row_bytes": settings.REFERENCE_ROW_BYTES,
            "part": str(storage.part_path(job.dataset_id, shard.split, shard.part)),
            "row_groups": [shard.first_group, shard.last_group],
            "split": shard.split,
            "split_rows": split_rows(job.dataset, shard.split),
            "first_row": shard.first_row,
            "out": str(out),
            "stem": claim.stem,
        }

    def _probe(self, job: Any) -> dict[str, Any]:
        """The first rows of the job's first shard, so that every slot comes to the same encoder."""
        first = job.shards.order_by("index").first()
        return {"path": str(storage.part_path(job.dataset_id, first.split, first.part)), "row_group": first.first_group}

    def learn(self, job: Job, message: dict[str, Any]) -> None:
        """Which encoder passed the probe; the first slot to know says it for all. Or that it was wrong after all."""
        if "mismatch" in message:
            begin_again(job, message["mismatch"])
            raise Cancelled
        jobs = Tokenization.objects.filter(pk=job.pk, encoder="", status=Status.RUNNING)
        found = {"encoder": message["encoder"], "encoder_reason": message["reason"]}
        if jobs.update(version=F("version") + 1, **found):
            live.hint(job.dataset_id)

    def home(self, job: Job) -> Path:
        return storage.tokenization_dir(job.pk)

    def finalize(self, job: Any, keep: Keep) -> None:
        job.refresh_from_db()
        home = self.home(job)
        files = give_names(job, home, keep)
        made = keep.ask({"assemble": self._assembly(job, home, files)})
        summary = {**made["statistics"], "splits": made["splits"]}
        said = f"{job.label} finished: {summary['tokens_written']:,} tokens in {summary['rows']:,} rows."
        if not job.complete(said, statistics=summary, output_bytes=made["bytes"]):
            raise Cancelled
        storage.remove(storage.staging_dir(home))

    def _assembly(self, job: Any, home: Path, files: list[OutputFile]) -> dict[str, Any]:
        """Without the names of dataset and tokenizer: they can be changed, and the same input gives the same bytes."""
        return {
            "out": str(home),
            "files": [asdict(file) for file in files],
            "spec": job.spec,
            "dataset_fingerprint": job.source_fingerprint,
            "tokenizer_sha256": job.tokenizer.sha256,
            "encoder": job.encoder,
            "tokenizer": str(job.tokenizer.path),
        }

    def withdraw(self, job: Job) -> None:
        """Without these two nothing opens the folder as a dataset."""
        for name in ENTRY_POINTS:
            storage.remove(self.home(job) / name)


def begin_again(job: Any, mismatch: str) -> None:
    """Drop whatever the fast encoder made in this job, and start it again with the reference."""
    fast = Tokenization.objects.filter(pk=job.pk, encoder=FAST, status=Status.RUNNING)
    with transaction.atomic():
        job.lock_dataset()
        job.raise_mark()
        shards = list(job.shards.exclude(state=Shard.State.WAITING).values_list("pk", "files"))
        said = f"{mismatch} Everything is done again with tokenizers."
        if not fast.update(encoder=REFERENCE, encoder_reason=said, version=F("version") + 1):
            return  # another slot was faster
        changes: dict[str, Any] = {"state": Shard.State.WAITING, "lease_token": None, "lease_until": None, "files": []}
        again = job.shards.filter(pk__in=[pk for pk, _ in shards])
        again.update(version=F("version") + 1, **changes, **Shard.NOTHING_DONE)
        job.tell("encoder", f"{job.label} starts again: {said}")
    staging = storage.staging_dir(storage.tokenization_dir(job.pk))
    for file in (file for _, files in shards for file in files):
        storage.remove(staging / file["name"])
    job.wake()


def split_rows(dataset: Any, split: str) -> int:
    return next(int(known["rows"]) for known in dataset.splits if known["name"] == split)


def give_names(job: Any, home: Path, keep: Keep) -> list[OutputFile]:
    """Canonical names for the staged files, in source order."""
    by_split: dict[str, list[Any]] = {}
    for shard in job.shards.order_by("index"):
        by_split.setdefault(shard.split, []).append(shard)
    files: list[OutputFile] = []
    for split, shards in by_split.items():
        for number, shard in enumerate(shards):
            keep()
            files += [name_file(home, file, split, number, len(shards)) for file in shard.files]
    return files


def name_file(home: Path, file: dict[str, Any], split: str, number: int, count: int) -> OutputFile:
    path = PATHS[file["role"]](split, number, count)
    staged = storage.staging_dir(home) / file["name"]
    if not staged.exists():
        raise JobError(f"{file['name']} of a finished shard is gone.", "Delete the tokenization and make it again.")
    storage.give_name(staged, home / path)
    return OutputFile(file["role"], split, path, file["rows"], file["bytes"], file["sha256"])
