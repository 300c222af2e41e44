"""Parquet files that become a part as they are, and those that are written anew."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.errors import JobError
from datasets_app.ingest.source import MIB
from tests.ingest_samples import import_file, imported_rows
from tests.test_ingest_parquet import DAMAGED

ROWS = pa.table({"id": range(3000), "text": [f"row {number} of some text" for number in range(3000)]})


def written(folder: Path, table: pa.Table, **options: Any) -> Path:
    path = folder / "a.parquet"
    pq.write_table(table, path, **{"compression": "zstd", **options})
    return path


def test_a_file_that_is_cut_as_parts_are_becomes_one_byte_for_byte(tmp_path):
    long = pa.table({"id": range(3000), "text": [f"{number} {'word ' * 300}" for number in range(3000)]})
    path = written(tmp_path, long, row_group_size=1000, compression="snappy")

    done = import_file(path, tmp_path / "out")

    (part,) = done["parts"]
    texts = [long["text"].to_pylist()[start : start + 1000] for start in (0, 1000, 2000)]
    assert (tmp_path / "out" / part["name"]).read_bytes() == path.read_bytes()
    assert part["row_groups"] == [{"rows": 1000, "bytes": {"text": len("".join(some))}} for some in texts]
    assert (part["rows"], part["bytes"], part["columns"]) == (
        3000,
        path.stat().st_size,
        [("id", "int64"), ("text", "string")],
    )
    assert done["counts"]["kept"] == 3000


def test_what_is_kept_and_what_is_written_anew_hold_the_same(tmp_path):
    kept = import_file(written(tmp_path, ROWS), tmp_path / "kept")
    anew = import_file(written(tmp_path, ROWS, compression="none"), tmp_path / "anew")

    told = [[{**part, "bytes": 0, "sha256": ""} for part in done["parts"]] for done in (kept, anew)]
    assert kept["parts"][0]["sha256"] != anew["parts"][0]["sha256"]
    assert told[0] == told[1]
    assert imported_rows(tmp_path / "kept", kept["parts"]) == ROWS.to_pylist()


def large(table: pa.Table) -> pa.Table:
    return table.set_column(1, "text", table["text"].cast(pa.large_string()))


# Its footer says a few kilobytes.
REPEATED = pa.table({"id": [1] * 40, "text": ["x" * MIB] * 40})


@pytest.mark.parametrize(
    ("table", "options", "import_options"),
    [
        (ROWS, {"compression": "none"}, {}),
        (ROWS, {"compression": "gzip"}, {}),
        (ROWS, {"row_group_size": 100}, {}),
        (large(ROWS), {}, {}),
        (ROWS, {}, {"bad_rows": 5}),
        (ROWS, {}, {"rows": 10}),
        (REPEATED, {}, {}),
    ],
    ids=["unpacked", "packed otherwise", "cut small", "other types", "bad rows", "first rows", "larger than it says"],
)
def test_other_files_are_written_anew(tmp_path, table, options, import_options):
    path = written(tmp_path, table, **options)

    done = import_file(path, tmp_path / "out", options=import_options)

    assert {part["name"] for part in done["parts"]} == {file.name for file in (tmp_path / "out").iterdir()}
    assert all((tmp_path / "out" / part["name"]).read_bytes() != path.read_bytes() for part in done["parts"])
    assert imported_rows(tmp_path / "out", done["parts"]) == table.to_pylist()[: import_options.get("rows")]


def test_a_bad_row_leaves_nothing(tmp_path):
    path = written(tmp_path, pa.table({"id": [1, 2], "text": DAMAGED}))

    with pytest.raises(JobError, match=r"Row 2 of a\.parquet, column \"text\", is not valid UTF-8"):
        import_file(path, tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []


def test_a_row_that_is_too_large_for_a_part_is_refused_as_ever(tmp_path):
    rows = [[0] * 9_000_000]
    path = written(
        tmp_path, pa.table({"text": ["x"], "numbers": pa.array(rows, pa.list_(pa.int64()))}), use_dictionary=False
    )

    with pytest.raises(JobError, match="over 64 MiB"):
        import_file(path, tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []
