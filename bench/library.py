"""The bench's hand in the stack's database, for the pages: a team's library of datasets, and work for the workers."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F

import bench.environment  # noqa: F401
from bench.driver import HOLD, load, people
from bench.peer import Message, serve
from datasets_app.jobs import UNFINISHED, Stage, Status, from_now
from datasets_app.shards import Shard
from tests import factories
from tests.real import WORDS
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.models import Tokenization, TokenizationShard, Tokenizer, tokenize

# Every second dataset is the reader's, every third is tokenized.
OWN, TOKENIZED = 2, 3
DATASETS_A_TRANSACTION = 20
ROWS = 10_000
TOKENS_A_ROW = 155
AGE, RUN = timedelta(days=1), timedelta(minutes=2)
LENGTHS = (512, 1024, 2048)
STATISTICS = {
    "rows": ROWS,
    "tokens": ROWS * TOKENS_A_ROW,
    "tokens_in": ROWS * TOKENS_A_ROW,
    "mean": float(TOKENS_A_ROW),
    "median": 126.0,
    "min": 1,
    "max": 511,
    "unique_tokens": 250,
    "before_cut": {"mean": float(TOKENS_A_ROW), "max": 1654},
}


def fill(datasets: int) -> Message:
    """So many datasets; a third of them with three finished tokenizations. Returns one of these, with one of its."""
    tokenizer = factories.tokenizer("library")
    owner = get_user_model().objects.get(username="bench-0")
    for first in range(0, datasets, DATASETS_A_TRANSACTION):
        add_some(range(first, min(first + DATASETS_A_TRANSACTION, datasets)), tokenizer, owner)
    finish_all()
    job = Tokenization.objects.filter(tokenizer=tokenizer).first()
    return {"dataset": str(job.dataset_id), "tokenization": str(job.pk)}


@transaction.atomic
def add_some(numbers: range, tokenizer: Tokenizer, owner: Any) -> None:
    for number in numbers:
        add(number, tokenizer, owner)


def add(number: int, tokenizer: Tokenizer, owner: Any) -> None:
    """Held, so that no worker looks for the files of them that are nowhere."""
    hold = {"held_until": from_now(HOLD)}
    name = f"{WORDS[number % len(WORDS)]}-{number:04}"
    created_by = owner if number % OWN == 0 else None
    dataset = factories.ready_dataset(name, groups=1, rows=ROWS + number, hold=hold, created_by=created_by)
    if number % TOKENIZED == 0:
        for length in LENGTHS:
            spec = Spec(text_column="", splits=(), max_length=length, filter_mode=FilterMode.STANDARD)
            tokenize(dataset, tokenizer, spec, created_by, **hold)


def finish_all() -> None:
    """As if they had run a day ago."""
    tokens = F("rows_total") * TOKENS_A_ROW
    TokenizationShard.objects.update(
        state=Shard.State.DONE,
        processed=F("rows_total"),
        kept=F("rows_total"),
        bytes_done=F("bytes_total"),
        tokens=tokens,
        tokens_processed=tokens,
    )
    Tokenization.objects.update(
        status=Status.READY,
        stage=Stage.COMPLETE,
        created_at=from_now(-AGE),
        started_at=from_now(-AGE),
        ended_at=from_now(RUN - AGE),
        active_time=RUN,
        bytes_mark=F("bytes_total"),
        encoder="fastokens",
        statistics=STATISTICS,
        output_bytes=ROWS * TOKENS_A_ROW,
    )


def pause() -> Message:
    """What `load` has queued."""
    unfinished = Tokenization.objects.filter(status__in=UNFINISHED).select_related("dataset", "tokenizer")
    return {"paused": sum(job.pause(None) for job in unfinished)}


def resume() -> Message:
    paused = Tokenization.objects.filter(status=Status.PAUSED).select_related("dataset", "tokenizer")
    return {"resumed": sum(job.requeue(None) for job in paused.order_by("created_at"))}


if __name__ == "__main__":
    serve({"people": people, "load": load, "fill": fill, "pause": pause, "resume": resume})
