"""Files for the tests of ingest, and short ways to read them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings

from datasets_app.errors import JobError
from datasets_app.ingest.child import handle
from datasets_app.ingest.files import read_rows
from datasets_app.ingest.kinds import kind_of
from datasets_app.ingest.options import ReadingOptions
from datasets_app.ingest.source import BLOCK_BYTES, Source

SHARED = Path(__file__).resolve().parents[2] / "shared"
# Files and busy machines are slow; what is looked for here is wrong answers.
patiently = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared corpora are not here")
SMALL_BLOCKS = 64  # bytes: a record has to cross the edge of a block


def source_of(folder: Path, name: str, content: bytes, *, block_bytes: int = BLOCK_BYTES, **options: Any) -> Source:
    """`options` are those of reading."""
    path = folder / name
    path.write_bytes(content)
    return Source(path, kind_of(name), name, ReadingOptions(**options), block_bytes)


def rows_of(source: Source, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    tables = [chunk.table for chunk in read_rows(source, schema) if chunk.table is not None]
    return [row for table in tables for row in table.to_pylist()]


def refusal(source: Source, schema: pa.Schema | None = None) -> JobError:
    """Why a file is not read; each has its name and advice, both whole sentences."""
    with pytest.raises(JobError) as caught:
        rows_of(source, schema)
    error = caught.value
    assert source.name in str(error)
    assert str(error).endswith(".")
    assert error.advice.endswith(".")
    return error


def answers_to(request: dict[str, Any]) -> list[dict[str, Any]]:
    return list(handle(request))


def import_file(path: Path, out: Path, kind: str = "", **more: Any) -> dict[str, Any]:
    """Import a file as the child process does; returns what it says when it is done."""
    out.mkdir(exist_ok=True)
    request = {"do": "import", "path": str(path), "kind": kind or kind_of(path.name), "name": path.name}
    answer: dict[str, Any] = answers_to({**request, "out": str(out), "stem": "part", **more})[-1]["done"]
    return answer


def imported_rows(out: Path, parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pq.read_table(out / part["name"]).to_pylist()]
