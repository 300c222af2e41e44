import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.errors import JobError
from datasets_app.ingest import parts
from datasets_app.ingest.parts import PartFacts, PartWriter

MIB = 1 << 20


def table_of(texts: list[str], **columns: list[object]) -> pa.Table:
    return pa.table({"text": texts, **columns})


def write(folder: Path, tables: Iterable[pa.Table], stem: str = "part") -> list[PartFacts]:
    with PartWriter(folder, stem, "a.csv") as writer:
        for table in tables:
            writer.add(table)
        return writer.finish()


def broken_off_after(tables: list[pa.Table]) -> Iterator[pa.Table]:
    yield from tables
    raise ZeroDivisionError


def test_a_part_says_what_is_in_it(tmp_path):
    (part,) = write(tmp_path, [table_of(["one", "zwölf"], label=["x", None], id=[1, 2])])

    content = (tmp_path / part.name).read_bytes()
    assert part.to_dict() == {
        "name": "part-00000.parquet",
        "rows": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "row_groups": [{"rows": 2, "bytes": {"text": 9, "label": 1}}],
        "columns": [("text", "string"), ("label", "string"), ("id", "int64")],
    }


def test_the_same_tables_make_the_same_bytes(tmp_path):
    tables = [table_of([f"text {number} {row}" for row in range(1000)]) for number in range(5)]

    write(tmp_path, tables, "one")
    write(tmp_path, tables, "two")

    assert (tmp_path / "one-00000.parquet").read_bytes() == (tmp_path / "two-00000.parquet").read_bytes()


def test_a_row_group_holds_at_most_16_mib_of_text(tmp_path):
    (part,) = write(tmp_path, [table_of(["x" * MIB] * 21)] * 3)

    file = pq.ParquetFile(tmp_path / part.name)
    assert [group["rows"] for group in part.row_groups] == [
        file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)
    ]
    assert max(group["bytes"]["text"] for group in part.row_groups) <= 16 * MIB
    assert sum(group["rows"] for group in part.row_groups) == 63


def test_a_row_group_holds_at_most_64_mib_of_all_columns_and_not_too_many_rows(tmp_path):
    wide = pa.table({"vector": [[0.0] * (MIB // 8)] * 70})
    long = pa.table({"vector": pa.nulls(600_000, pa.list_(pa.float64()))})

    parts = [*write(tmp_path, [wide], "wide"), *write(tmp_path, [long], "long")]

    assert [[group["rows"] for group in part.row_groups] for part in parts] == [[35, 35], [150_000] * 4]


def test_a_new_part_begins_when_one_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1000)
    texts = [f"{row}" * MIB for row in range(9)] * 5

    finished = write(tmp_path, (table_of([text, text]) for text in texts))

    assert len(finished) > 2
    assert [part.name for part in finished] == [f"part-{index:05d}.parquet" for index in range(len(finished))]
    read = [text for part in finished for text in pq.read_table(tmp_path / part.name)["text"].to_pylist()]
    assert read == [text for text in texts for _ in range(2)]


def test_a_row_of_over_16_mib_of_text_is_refused_with_its_number(tmp_path):
    tables = [table_of(["x"] * 10), table_of(["x", "x" * (17 * MIB), "x"])]

    with pytest.raises(JobError) as refused:
        write(tmp_path, tables)

    assert str(refused.value) == "The text of row 12 of a.csv is over 16 MiB."


def test_nothing_is_left_of_a_file_that_could_not_be_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 1000)

    tables = broken_off_after([table_of(["x" * 9 * MIB])] * 10)

    with pytest.raises(ZeroDivisionError):
        write(tmp_path, tables)

    assert list(tmp_path.iterdir()) == []


def test_a_failure_to_write_reaches_whoever_adds_rows(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing", [table_of(["x"])])
