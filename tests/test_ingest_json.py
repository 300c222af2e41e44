import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.source import SchemaChanged, Source
from tests.ingest_samples import SMALL_BLOCKS, import_file, imported_rows, patiently, refusal, rows_of, source_of

MANY_ROWS = [{"id": row, "text": f"row {row}"} for row in range(200)]
MANY_LINES = b"".join(json.dumps(row).encode() + b"\n" for row in MANY_ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", MANY_LINES),
        ("a.ndjson", MANY_LINES.replace(b"\n", b"\r\n")),
        ("a.json", MANY_LINES),
        ("a.json", json.dumps(MANY_ROWS).encode()),
        ("a.json", json.dumps(MANY_ROWS, indent=2).encode()),
        ("a.json", b"\xef\xbb\xbf " + json.dumps(MANY_ROWS).encode()),
        ("a.json", b"\n".join(json.dumps(row, indent=2).encode() for row in MANY_ROWS)),
        ("a.jsonl", json.dumps(MANY_ROWS).encode()),
    ],
)
def test_objects_become_rows_whichever_way_they_follow_each_other(tmp_path, name, content):
    assert rows_of(source_of(tmp_path, name, content, block_bytes=SMALL_BLOCKS)) == MANY_ROWS


def test_nested_values_stay_nested_and_dates_stay_text(tmp_path):
    rows = [
        {"day": "2024-01-01", "meta": {"tags": ["a", "b"], "at": "2024-01-01T00:00:00"}},
        {"day": "soon", "meta": None},
    ]
    content = "\n".join(map(json.dumps, rows)).encode()

    assert rows_of(source_of(tmp_path, "a.jsonl", content)) == rows


def test_blank_lines_are_no_rows_and_missing_names_are_null(tmp_path):
    source = source_of(tmp_path, "a.jsonl", b'{"a": 1}\n\n  \n{"b": "x"}\n')

    assert rows_of(source) == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_objects_without_any_field_are_stored_as_nulls(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "x", "meta": {}, "list": [{}], "more": {"a": 1, "b": {}}}\n')

    done = import_file(path, tmp_path / "out")

    rows = imported_rows(tmp_path / "out", done["parts"])
    assert rows == [{"text": "x", "meta": None, "list": [None], "more": {"a": 1, "b": None}}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "a.jsonl is empty."),
        ("a.jsonl", b" \n\n", "a.jsonl has no rows."),
        ("a.json", b"[]", "a.json has no rows."),
        ("a.jsonl", b"{}\n{}\n", "a.jsonl has rows, but no columns."),
        ("a.jsonl", b'{"a": 1}\n{"a": 1,}\n', "Line 2 of a.jsonl is not valid JSON: "),
        ("a.jsonl", b'{"a": "x"}\n{"a": "x', "Line 2 of a.jsonl is not valid JSON: unterminated string."),
        ("a.jsonl", b'{"a": 1}\n3\n', "Line 2 of a.jsonl is a number where an object is expected."),
        ("a.jsonl", b'{"a": 1}\nnull\n', "Line 2 of a.jsonl is null where an object is expected."),
        ("a.jsonl", b"null\n", "Line 1 of a.jsonl is null where an object is expected."),
        ("a.jsonl", b'{"a": 1}\n{"a": 2} {"a": 3}\n', "Line 2 of a.jsonl is not valid JSON: extra data."),
        ("a.jsonl", b'{"a": 1, "a": 2}\n', 'Line 1 of a.jsonl has the name "a" twice in one object.'),
        ("a.jsonl", b'{"a": "x"}\n{"a": "\xff"}\n', "Line 2 of a.jsonl is not valid UTF-8."),
        ("a.jsonl", b'{"a": "\\ud800"}\n', "Line 1 of a.jsonl has half of a surrogate pair in a text."),
        (
            "a.jsonl",
            b'{"a": 1}\n{"a": "x"}\n',
            'Line 2 of a.jsonl has text in the column "a", which holds whole numbers.',
        ),
        ("a.jsonl", b'{"a": [1, "x"]}\n', "Line 1 of a.jsonl cannot be read: "),
        ("a.jsonl", b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}\n", "Line 1 of a.jsonl cannot be read: "),
        ("a.json", b'"x"', "Line 1 of a.json is a text where an object is expected."),
        ("a.json", b'[{"a": 1},\n{"a": tru}]', "Object 2 (line 2) of a.json is not valid JSON: expecting value."),
        ("a.json", b'[{"a": 1},\n[2]]', "Object 2 (line 2) of a.json is a list where an object is expected."),
        ("a.json", b'[{"a": 1}\n{"a": 2}]', 'Object 1 (line 2) of a.json is followed by "{" instead of a comma '),
        ("a.json", b'[{"a": 1}', "Object 1 (line 1) of a.json is followed by the end of the file instead of a comma "),
        ("a.json", b'[{"a": 1}]\nx', 'Object 1 (line 2) of a.json is followed by "x" instead of nothing '),
        ("a.json", b'[{"a": "x', "Object 1 (line 1) of a.json is not valid JSON: unterminated string."),
        ("a.json", b'[{"a": "x"},\n{"a": "\xff"}]', "Line 2 of a.json is not valid UTF-8."),
        ("a.json", b'[{"a": 1},\n{"a": "x"}]', 'Object 2 (line 2) of a.json has text in the column "a", '),
        ("a.json", b'[{"a": ' + b"[" * 5000, "Object 1 (line 1) of a.json is nested too deeply."),
        ("a.json", b'{\n"a": 1,\n"b" 2\n}', "Object 1 (line 3) of a.json is not valid JSON: expecting ':' delimiter."),
    ],
)
def test_a_broken_json_file_is_refused_with_its_line(tmp_path, name, content, said):
    assert str(refusal(source_of(tmp_path, name, content))).startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": "x", "text": "y"}', 'Line 201 of a.jsonl has text in the column "id", which holds whole numbers.'),
        (b'{"id": 1, "text": {"y": 1}}', 'Line 201 of a.jsonl has objects in the column "text", which holds text.'),
        (b'{"id": 1 "text": "y"}', "Line 201 of a.jsonl is not valid JSON: expecting ',' delimiter."),
    ],
)
def test_a_line_is_named_that_is_many_blocks_into_the_file(tmp_path, line, said):
    source = source_of(tmp_path, "a.jsonl", MANY_LINES + line, block_bytes=SMALL_BLOCKS)

    assert str(refusal(source)) == said


@pytest.mark.parametrize(
    ("first", "later"),
    [({"a": 1}, {"a": 1.5}), ({"a": None}, {"a": "x"}), ({"a": 1}, {"b": "new"}), ({"a": {"b": 1}}, {"a": {"c": "x"}})],
)
def test_a_later_row_may_need_a_wider_schema(tmp_path, first, later):
    content = "\n".join(json.dumps(row) for row in [first] * 20 + [later] + [first] * 20).encode()
    source = source_of(tmp_path, "a.jsonl", content, block_bytes=SMALL_BLOCKS)

    with pytest.raises(SchemaChanged) as changed:
        rows_of(source)

    rows = rows_of(source, changed.value.schema)
    assert len(rows) == 41
    assert {
        name: value for name, value in rows[20].items() if value is not None and name in later
    }.keys() == later.keys()


def test_the_import_begins_again_by_itself_with_the_wider_schema(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": null}\n' * 500_000 + b'{"text": "x", "more": 1}\n')

    done = import_file(path, tmp_path / "out")

    assert done["counts"]["processed"] == 500_001
    assert done["parts"][0]["columns"] == [("text", "string"), ("more", "int64")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [part["name"] for part in done["parts"]]


def test_a_given_schema_is_binding(tmp_path):
    schema = pa.schema([("text", pa.string()), ("more", pa.int64())])

    rows = rows_of(source_of(tmp_path, "a.jsonl", b'{"text": "x"}\n'), schema)
    unknown = refusal(source_of(tmp_path, "b.jsonl", b'{"text": "x"}\n{"text": "x", "other": 1}\n'), schema)
    wrong = refusal(source_of(tmp_path, "c.jsonl", b'{"text": "x"}\n{"text": 1}\n'), schema)

    assert rows == [{"text": "x", "more": None}]
    assert str(unknown) == 'Line 2 of b.jsonl has the column "other", which the dataset does not have.'
    assert str(wrong) == 'Line 2 of c.jsonl has whole numbers in the column "text", which holds text.'


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_an_object_too_long_to_hold_is_refused(tmp_path, name):
    content = b'[{"a": 1},\n' if name == "a.json" else b'{"a": 1}\n'

    error = refusal(source_of(tmp_path, name, content + b'{"a": "' + b"x" * (80 << 20)))

    assert "starts on line 2" in str(error)
    assert str(error).endswith("is over 16 MiB.")


VALUES = st.fixed_dictionaries({"a": st.text(max_size=8), "b": st.integers(-5, 5), "c": st.lists(st.text(max_size=3))})


@patiently
@given(
    rows=st.lists(VALUES, min_size=1, max_size=10), block_bytes=st.integers(8, 80), indent=st.sampled_from([None, 1])
)
def test_an_array_reads_the_same_wherever_its_blocks_are_cut(tmp_path_factory, rows, block_bytes, indent):
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=indent), encoding="utf-8")
    schema = pa.schema([("a", pa.string()), ("b", pa.int64()), ("c", pa.list_(pa.string()))])

    read = rows_of(Source(path, Kind.JSON, path.name, block_bytes=block_bytes), schema)

    assert read == rows
