import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.errors import JobError
from datasets_app.ingest.kinds import EXTENSIONS, Kind, kind_of
from datasets_app.ingest.preview import preview
from datasets_app.ingest.schema import load_schema
from datasets_app.ingest.source import Source
from tests.ingest_samples import SHARED, needs_shared, source_of


def test_a_preview_shows_columns_the_first_rows_and_the_column_to_tokenize(tmp_path):
    source = source_of(tmp_path, "a.csv", b"id,body\n" + b"1,hello\n" * 100)

    seen = preview(source, rows=2)

    assert seen.columns == [("id", "int64"), ("body", "string")]
    assert seen.rows == [{"id": 1, "body": "hello"}] * 2
    assert seen.text_column == "body"
    assert seen.warnings == []
    assert load_schema(seen.schema).names == ["id", "body"]


def test_everything_in_a_preview_can_be_sent_as_json(tmp_path):
    row = {
        "text": "x" * 5000,
        "bytes": b"abc",
        "day": datetime.date(2024, 1, 1),
        "price": Decimal("1.50"),
        "odd": float("nan"),
        "list": list(range(100)),
        "object": {"a": [None, True]},
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row]), path)

    seen = preview(Source(path, Kind.PARQUET, path.name)).to_dict()

    shown = json.loads(json.dumps(seen, allow_nan=False))["rows"][0]
    assert len(shown["text"]) == 1001
    assert len(shown["list"]) == 20
    assert shown["bytes"] == "3 bytes"
    assert shown["day"] == "2024-01-01"
    assert (shown["price"], shown["odd"], shown["object"]) == ("1.50", "nan", {"a": [None, True]})


def test_a_preview_does_not_read_the_whole_file(tmp_path):
    # What is broken comes far behind the part that is looked at.
    source = source_of(tmp_path, "a.csv", b"id,text\n" + b"1,hello\n" * 1_000_000 + b"1,2,3\n")

    assert len(preview(source).rows) == 20


def test_a_preview_refuses_a_file_that_is_broken_at_its_beginning(tmp_path):
    with pytest.raises(JobError, match=r"Line 3 of a\.csv has 3 values"):
        preview(source_of(tmp_path, "a.csv", b"id,text\n1,x\n1,2,3\n"))


def test_a_preview_warns_of_a_lack_of_text(tmp_path):
    numbers = preview(source_of(tmp_path, "b.csv", b"id,score\n1,2\n"))

    assert numbers.warnings == ["No column holds text, so there is nothing to tokenize."]
    assert numbers.text_column is None


@needs_shared
@pytest.mark.parametrize(("name", "column"), [("gsm8k_train.jsonl", "answer"), ("eips.parquet", "text")])
def test_the_column_to_tokenize_is_found_in_real_data(name, column):
    path = SHARED / "corpora" / name

    assert preview(Source(path, kind_of(name), name)).text_column == column


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".CSV", ".Parquet"])
def test_the_extension_tells_the_kind_of_a_file(extension):
    assert kind_of(f"some.data{extension}") == EXTENSIONS[extension.lower()]


@pytest.mark.parametrize("name", ["notes.docx", "csv", "archive.zip.gz", ".hidden"])
def test_an_unknown_extension_is_refused_with_those_that_are_known(name):
    with pytest.raises(JobError) as refused:
        kind_of(name)

    assert name in str(refused.value)
    assert ".parquet" in refused.value.advice
