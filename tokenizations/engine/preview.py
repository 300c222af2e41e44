"""The texts of the first rows of a part, for somebody who is still choosing."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets_app.errors import JobError
from datasets_app.ingest.messages import message_keys
from tokenizations.engine.spec import Spec

SHOWN_CHARACTERS = 1200
# Read page by page: a row group may hold 64 MiB.
READ_BYTES = 1 << 20


def preview(spec: dict[str, Any], part: str, rows: int) -> list[dict[str, str]]:
    """For each row its `text`, or the `problem` with it. Raises JobError for templates that are none."""
    # The sandbox is slow to import, and who tokenizes plain text never needs it.
    from tokenizations.engine.texts import TextSource

    chosen = Spec.from_dict(spec)
    source = TextSource(chosen)
    table = first_rows(Path(part), source.columns, rows)
    source.check(table.schema, "The dataset")
    read = source.read(table)
    failed = {row: why_it_failed(chosen, table, row) for row in read.failed}
    texts = [text or "" for text in read.texts.to_pylist()]
    return [{"problem": failed[row]} if row in failed else {"text": shown(text)} for row, text in enumerate(texts)]


def first_rows(part: Path, columns: tuple[str, ...], rows: int) -> pa.Table:
    try:
        with pq.ParquetFile(part, pre_buffer=False, buffer_size=READ_BYTES) as file:
            if unknown := [column for column in columns if column not in file.schema_arrow.names]:
                raise JobError(f"There is no column {unknown[0]}.", "Choose another column.")
            batches = file.iter_batches(batch_size=rows, row_groups=[0], columns=list(columns))
            return pa.Table.from_batches([next(batches)])
    except (OSError, StopIteration, pa.ArrowException) as error:
        raise JobError("The dataset’s first rows cannot be read.", "Import it again.") from error


def why_it_failed(spec: Spec, table: pa.Table, row: int) -> str:
    from tokenizations.engine.chat import ChatError, ChatRenderer, normalized

    column = table.column(spec.text_column)
    keys = message_keys(str(column.type))
    assert keys is not None, "only chats can fail"
    tokens = {f"{role}_token": getattr(spec, f"{role}_token") for role in ("bos", "eos", "pad")}
    try:
        ChatRenderer(spec.chat_template, tokens).render(normalized(column[row].as_py(), keys))
    except ChatError as error:
        return str(error)
    return "The template failed on this row."


def shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
