import pyarrow as pa
import pytest

from datasets_app.errors import JobError
from datasets_app.ingest.schema import common_schema, dump_schema, load_schema, propose_text_column


def schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema(list(types.items()))


def test_the_common_schema_holds_what_every_file_holds():
    common = common_schema(
        {
            "a.csv": schema(id=pa.int64(), text=pa.string()),
            "b.csv": schema(id=pa.float64(), text=pa.null(), more=pa.bool_()),
        }
    )

    assert common == schema(id=pa.float64(), text=pa.string(), more=pa.bool_())


def test_files_at_odds_are_named_with_the_column():
    files = {
        "a.jsonl": schema(meta=pa.struct([("score", pa.int64())])),
        "b.jsonl": schema(meta=pa.struct([("score", pa.string())])),
    }

    with pytest.raises(JobError) as refused:
        common_schema(files)

    assert str(refused.value) == 'The column "meta.score" holds text in b.jsonl, but whole numbers in a.jsonl.'


def test_a_schema_survives_a_json_message():
    original = schema(text=pa.string(), meta=pa.list_(pa.struct([("a", pa.float32())])))

    assert load_schema(dump_schema(original)) == original


@pytest.mark.parametrize(
    ("amounts", "column"),
    [
        ({"id": 10, "story": 500, "title": 40}, "story"),
        ({"title": 900, "Text": 500}, "Text"),
        ({"content": 5, "text": 5}, "text"),
        ({"text": 0, "title": 4}, "title"),
        ({"first": 7, "second": 7}, "first"),
        ({"text": 0}, None),
        ({}, None),
    ],
)
def test_the_column_to_tokenize_has_a_telling_name_or_the_most_text(amounts, column):
    assert propose_text_column(amounts) == column
