"""The sums over the shards of each job, in one aggregated query however many jobs there are."""

import uuid
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from datasets_app.shards import FILTERED, Shard

SUMMED = ("bytes_done", "processed", "kept", "filtered", "errored", "tokens", "tokens_processed", "sequences")
SUMMED_RATES = ("bytes_per_second", "tokens_per_second")
Counts = dict[str, Any]

IS_RUNNING = Q(state=Shard.State.RUNNING)
FIGURES: Counts = {
    **{f"total_{name}": Coalesce(Sum(name), Value(0)) for name in (*SUMMED, *FILTERED, "version")},
    **{f"total_{name}": Sum(name, filter=IS_RUNNING) for name in SUMMED_RATES},
    **{f"shards_{state.value}": Count("pk", filter=Q(state=state)) for state in Shard.State},
}
NOTHING: Counts = dict.fromkeys(FIGURES, 0) | {f"total_{name}": None for name in SUMMED_RATES}


def by_job(shards: QuerySet[Any]) -> dict[uuid.UUID, Counts]:
    """Each sum as `total_<field>`, and how many shards there are in each state. A job without shards is not there."""
    rows = shards.order_by().values("job").annotate(**FIGURES)
    return {row.pop("job"): row for row in rows}


def attach(jobs: list[Any], counts: dict[uuid.UUID, Counts]) -> None:
    for job in jobs:
        for name, figure in counts.get(job.pk, NOTHING).items():
            setattr(job, name, figure)
