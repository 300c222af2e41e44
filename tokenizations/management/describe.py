"""A tokenization as the commands print it."""

from typing import Any

from datasets_app import cards
from tokenizations.models import Tokenization


def tokenization_facts(tokenization: Tokenization) -> dict[str, Any]:
    job: Any = cards.load_job(tokenization).job
    return {
        "id": str(job.pk),
        "dataset": job.dataset.name,
        "tokenizer": job.tokenizer.name,
        "status": job.status,
        "path": str(job.path),
        "fingerprint": job.fingerprint,
        "rows": {
            "total": job.rows_total,
            "processed": job.total_processed,
            "kept": job.total_kept,
            "filtered": job.total_filtered,
            "errored": job.total_errored,
        },
        "sequences": job.total_sequences,
        "tokens": job.total_tokens,
        "seconds": round(job.elapsed.total_seconds(), 3),
        "encoder": job.encoder,
        "spec": job.spec,
        "failure": f"{job.failure} {job.advice}".strip(),
    }
