"""The first rows of a dataset, cut to what fits on a page."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets_app.models import Dataset

ROWS = 8
CELL_CHARACTERS = 400


def first_rows(dataset: Dataset, count: int = ROWS) -> list[dict[str, str]]:
    """Of its first part; empty while there is none."""
    part = dataset.parts.order_by("pk").first()
    if part is None:
        return []
    try:
        # read page by page: a row group may hold 64 MiB
        with pq.ParquetFile(part.path, pre_buffer=False, buffer_size=1 << 20) as file:
            batch = next(file.iter_batches(batch_size=count, row_groups=[0]), None)
    except (OSError, pa.ArrowException):
        return []
    return [{name: as_text(value) for name, value in row.items()} for row in batch.to_pylist()] if batch else []


def as_text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"
