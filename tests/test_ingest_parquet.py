from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.ingest.files import read_rows
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.source import Source
from tests.ingest_samples import SHARED, needs_shared, refusal, rows_of

# Two texts, the second of which is no UTF-8.
DAMAGED = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"x\xff")]
)


def parquet(folder: Path, table: pa.Table, **options: object) -> Source:
    path = folder / "a.parquet"
    pq.write_table(table, path, **options)
    return Source(path, Kind.PARQUET, path.name)


def test_every_way_to_hold_text_becomes_string(tmp_path):
    texts = pa.array(["x", None, "é"])
    table = pa.table(
        {
            "dictionary": texts.dictionary_encode(),
            "large": texts.cast(pa.large_string()),
            "view": texts.cast(pa.string_view()),
            "plain": texts,
        }
    )

    chunks = list(read_rows(parquet(tmp_path, table)))

    assert {field.type for chunk in chunks for field in chunk.table.schema} == {pa.string()}
    assert chunks[0].table.to_pylist()[2] == dict.fromkeys(table.column_names, "é")


def test_nested_columns_stay_as_they_are(tmp_path):
    rows = [{"id": 1, "meta": {"tags": ["a"]}}, {"id": 2, "meta": None}]

    assert rows_of(parquet(tmp_path, pa.Table.from_pylist(rows))) == rows


def test_all_rows_of_all_row_groups_come_in_order(tmp_path):
    source = parquet(tmp_path, pa.table({"id": list(range(1000))}), row_group_size=70)

    chunks = list(read_rows(source))

    assert [row["id"] for chunk in chunks for row in chunk.table.to_pylist()] == list(range(1000))
    assert chunks[-1].bytes_read == source.bytes


@pytest.mark.parametrize("damaged", [DAMAGED, DAMAGED.dictionary_encode(), pa.array([["x"], ["y"]])])
def test_text_that_is_not_utf8_is_refused_with_its_row(tmp_path, damaged):
    if pa.types.is_list(damaged.type):
        damaged = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), DAMAGED)
    table = pa.concat_tables([pa.table({"id": [1, 2], "text": damaged})] * 2)

    error = refusal(parquet(tmp_path, table, row_group_size=2))

    assert str(error) == 'Row 2 of a.parquet, column "text", is not valid UTF-8.'


def test_a_file_without_rows_or_with_a_column_twice_is_refused(tmp_path):
    no_rows = refusal(parquet(tmp_path, pa.table({"text": pa.array([], pa.string())})))
    twice = refusal(parquet(tmp_path, pa.Table.from_arrays([pa.array([1])] * 2, names=["a", "a"])))

    assert str(no_rows) == "a.parquet has no rows."
    assert str(twice) == 'a.parquet has the column "a" twice.'


@pytest.mark.parametrize("damage", [lambda whole: b"text\n" * 50, lambda whole: whole[:-40]])
def test_a_truncated_or_foreign_file_is_refused(tmp_path, damage):
    source = parquet(tmp_path, pa.table({"text": ["x"] * 100}))
    source.path.write_bytes(damage(source.path.read_bytes()))

    assert str(refusal(source)).startswith("a.parquet is damaged or no Parquet file")


def test_a_damaged_row_group_is_named(tmp_path):
    source = parquet(tmp_path, pa.table({"text": [f"text {row}" for row in range(1000)]}), use_dictionary=False)
    whole = source.path.read_bytes()
    source.path.write_bytes(whole[:10] + b"\xff" * 200 + whole[210:])

    assert str(refusal(source)).startswith("Row group 1 of a.parquet is damaged")


def test_a_given_schema_is_binding(tmp_path):
    schema = pa.schema([("id", pa.float64()), ("more", pa.string())])

    rows = rows_of(parquet(tmp_path, pa.table({"id": [1]})), schema)
    wrong = refusal(parquet(tmp_path, pa.table({"id": ["x"]})), schema)
    unknown = refusal(parquet(tmp_path, pa.table({"other": [1]})), schema)

    assert rows == [{"id": 1.0, "more": None}]
    assert str(wrong) == 'a.parquet has text in the column "id", not numbers.'
    assert str(unknown) == 'a.parquet has the column "other", which the dataset does not have.'


@needs_shared
def test_a_real_corpus_comes_through_unchanged():
    path = SHARED / "corpora" / "tldr.parquet"

    rows = rows_of(Source(path, Kind.PARQUET, path.name))

    assert rows == pq.read_table(path).to_pylist()
