"""Rows as the product itself would have made them, without doing the work."""

import uuid
from typing import Any

from datasets_app.creating import create_dataset
from datasets_app.jobs import Status
from datasets_app.models import Dataset, Import, Part
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenization, Tokenizer, tokenize


def a_file(name: str = "a.csv", split: str = "train", size: int = 1000) -> dict[str, Any]:
    return {"name": name, "path": f"/nowhere/{name}", "split": split, "kind": "csv", "bytes": size}


def queued_dataset(name: str = "letters", files: int = 1, **fields: Any) -> Dataset:
    return create_dataset(name, Dataset.Source.SERVER, [a_file(f"{i}.csv") for i in range(files)], **fields)


def ready_dataset(
    name: str = "letters", groups: int = 4, rows: int = 10, group_bytes: int = 40 << 20, **fields: Any
) -> Dataset:
    """Each row group is more than a shard holds, so that there are as many shards as groups."""
    dataset = queued_dataset(name, **fields)
    Import.objects.filter(dataset=dataset).update(status=Status.READY)
    Part.objects.create(
        dataset=dataset,
        split="train",
        index=0,
        name="part-00000.parquet",
        rows=groups * rows,
        bytes=groups * group_bytes,
        sha256="0" * 64,
        row_groups=[{"rows": rows, "bytes": {"text": group_bytes}}] * groups,
    )
    Dataset.objects.filter(pk=dataset.pk).update(
        columns=[["text", "string"]],
        text_column="text",
        splits=[{"name": "train", "rows": groups * rows, "bytes": 1, "text_bytes": {"text": groups * group_bytes}}],
        rows=groups * rows,
        bytes=groups * group_bytes,
        fingerprint=uuid.uuid4().hex,
    )
    return Dataset.objects.select_related("import_job").get(pk=dataset.pk)


def tokenizer(name: str = "bytes") -> Tokenizer:
    return Tokenizer.objects.create(
        name=name, sha256=uuid.uuid4().hex * 2, kind="BPE", vocabulary_size=300, largest_id=299, specials_added=0
    )


def tokenization(dataset: Dataset | None = None, **options: Any) -> Tokenization:
    dataset = dataset or ready_dataset()
    spec = Spec(text_column="", splits=(), **options)
    made, _ = tokenize(dataset, Tokenizer.objects.first() or tokenizer(), spec, None)
    return made


def counts(processed: int = 0, junk: int = 0, size: int = 0, tokens: int = 0) -> dict[str, int]:
    return {
        "processed": processed,
        "kept": processed - junk,
        "filtered": junk,
        "filtered_junk": junk,
        "bytes_done": size,
        "tokens": tokens,
        "tokens_processed": tokens,
    }


def child_counts(rows: int) -> dict[str, Any]:
    """As a child counts them, all kept."""
    nothing = dict.fromkeys(("filtered", "errored", "tokens_processed", "tokens", "sequences", "bytes"), 0)
    return {"processed": rows, "kept": rows, "reasons": {}, **nothing}
