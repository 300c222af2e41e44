"""The work of a tokenization: shards in engine children, and at the end one dataset under canonical names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import F

from datasets_app import live, storage
from datasets_app.errors import Cancelled, JobError
from datasets_app.jobs import Job, Status
from datasets_app.leases import Claim
from datasets_app.models import Part
from datasets_app.slots import Keep
from tokenizations.engine import dataset_files
from tokenizations.models import Tokenization

ENTRY_POINTS = ("manifest.json", "dataset_dict.json")


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
            "part": str(storage.part_path(job.dataset_id, shard.split, shard.part)),
            "row_groups": [shard.first_group, shard.last_group],
            "first_row": shard.first_row,
            "out": str(out),
            "stem": claim.stem,
        }

    def _probe(self, job: Any) -> dict[str, Any]:
        """The first rows of the job's first shard, so that every slot comes to the same encoder."""
        first = job.shards.order_by("index").first()
        return {"path": str(storage.part_path(job.dataset_id, first.split, first.part)), "row_group": first.first_group}

    def learn(self, job: Job, message: dict[str, Any]) -> None:
        """Which encoder passed the probe; the first slot to know says it for all."""
        jobs = Tokenization.objects.filter(pk=job.pk, encoder="", status=Status.RUNNING)
        found = {"encoder": message["encoder"], "encoder_reason": message["reason"]}
        if jobs.update(version=F("version") + 1, **found):
            live.hint(job.dataset_id)

    def home(self, job: Job) -> Path:
        return storage.tokenization_dir(job.pk)

    def finalize(self, job: Job, keep: Keep) -> None:
        job.refresh_from_db()
        publication = Publication(job, self.home(job), keep)  # type: ignore[arg-type]
        statistics, output_bytes = publication.publish()
        said = f"{job.label} finished: {statistics['tokens']:,} tokens in {statistics['rows']:,} rows."
        if not job.complete(said, statistics=statistics, output_bytes=output_bytes):
            raise Cancelled
        storage.remove(storage.staging_dir(self.home(job)))

    def withdraw(self, job: Job) -> None:
        """Without these two nothing opens the folder as a dataset."""
        for name in ENTRY_POINTS:
            storage.remove(self.home(job) / name)
