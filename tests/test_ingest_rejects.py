"""Bad rows that are set aside rather than stop an import."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.errors import JobError
from datasets_app.ingest.preview import preview
from tests.ingest_samples import import_file, imported_rows, source_of

LONG = b"x" * (17 << 20)


def imported(folder, name, content, limit=10, **options):
    """The rows that came in, and those that were set aside."""
    path = folder / name
    path.write_bytes(content)
    out = folder / "out"
    done = import_file(path, out, options={"bad_rows": limit, **options})
    rejected = [json.loads(line) for file in done["files"] for line in (out / file["name"]).read_text().splitlines()]
    counts = done["counts"]
    assert counts["processed"] == counts["kept"] + counts["errored"]
    assert counts["errored"] == len(rejected) == sum(file["rows"] for file in done["files"])
    return imported_rows(out, done["parts"]), rejected


@pytest.mark.parametrize(
    ("name", "bad", "reason"),
    [
        ("a.csv", b"3\n", "has 1 value, the header has 2."),
        ("a.csv", b"3,a,b\n", "has 3 values, the header has 2."),
        ("a.csv", b"3,\xff\n", "is not valid UTF-8."),
        ("a.csv", b"3,a\0b\n", "has a NUL byte, which no text has."),
        ("a.csv", b'3,"' + LONG + b'"\n', "is over 16 MiB."),
        ("a.jsonl", b'{"id": 3, "te\n', "is not valid JSON: unterminated string."),
        ("a.jsonl", b"[1]\n", "is a list where an object is expected."),
        ("a.jsonl", b'{"id": 3, "text": {"a": 1}}\n', 'has objects in the column "text", which holds text.'),
        ("a.jsonl", b'{"id": 3, "text": "\\ud800"}\n', "has half of a surrogate pair in a text."),
        ("a.jsonl", b'{"id": 3, "text": "\xff"}\n', "is not valid UTF-8."),
        ("a.jsonl", b'{"id": NaN, "text": "a"}\n', "has NaN, which JSON does not have."),
        ("a.jsonl", b'{"id": 3, "text": "' + LONG + b'"}\n', "is over 16 MiB."),
        ("a.jsonl", b'{"id": 3, "text": "' + LONG * 5 + b'"}\n', "is over 16 MiB."),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_reason(tmp_path, name, bad, reason):
    is_csv = name == "a.csv"
    good = [b"1,one\n", b"2,two\n"] if is_csv else [b'{"id": 1, "text": "one"}\n', b'{"id": 2, "text": "two"}\n']
    content = (b"id,text\n" if is_csv else b"") + good[0] + bad + good[1]

    rows, (rejected,) = imported(tmp_path, name, content)

    assert rows == [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]
    assert (rejected["file"], rejected["line"]) == (name, 3 if is_csv else 2)
    assert rejected["reason"].endswith(reason)
    assert rejected["text"][:3] == bad.decode(errors="replace")[:3]
    assert len(rejected["text"]) <= 2000


def test_bad_rows_far_behind_the_beginning_keep_their_lines(tmp_path):
    lines = [b'%d,"many words of\nrow %d of very many"\n' % (row, row) for row in range(200_000)]
    lines[150_000] = b"x,not a number\n"
    lines[190_000] = b"too,many,values\n"

    rows, rejected = imported(tmp_path, "a.csv", b"id,text\n" + b"".join(lines))

    assert len(rows) == 199_998
    assert [row["line"] for row in rejected] == [300_002, 380_001]
    assert rejected[0]["reason"].startswith('Line 300002 of a.csv has "x" in the column "id"')


def test_a_file_is_read_again_for_a_wider_schema_and_counts_each_bad_row_once(tmp_path):
    first = b'{"id": 1, "text": "some words"}\n' * 150_000
    content = first + b"nonsense\n" + b'{"id": 1.5, "more": true}\n' + first + b"nonsense\n"

    rows, rejected = imported(tmp_path, "a.jsonl", content)

    assert len(rows) == 300_001
    assert [row["line"] for row in rejected] == [150_001, 300_003]


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_arrays_and_text_files_set_rows_aside_too(tmp_path, name):
    content = b'[{"a": "x"},\n{"a": "\\ud800"},\n{"a": "y"}]' if name == "a.json" else b"x\n\xff\ny\n"

    rows, rejected = imported(tmp_path, name, content, encoding="utf-8")

    assert [list(row.values()) for row in rows] == [["x"], ["y"]]
    assert [row["line"] for row in rejected] == [2]


def test_rows_of_parquet_are_set_aside_by_their_number(tmp_path):
    texts = pa.array([b"good", b"caf\xe9 \xff", b"x" * (17 << 20), b"good"], pa.binary())
    path = tmp_path / "made.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "text": pa.Array.from_buffers(pa.string(), 4, texts.buffers())}), path)

    rows, rejected = imported(tmp_path, "a.parquet", path.read_bytes())

    assert [row["id"] for row in rows] == [1, 4]
    assert [row["line"] for row in rejected] == [2, 3]
    assert "'id': '2'" in rejected[0]["text"]


def test_the_row_over_the_limit_fails_the_file_and_leaves_nothing(tmp_path):
    with pytest.raises(JobError) as refused:
        imported(tmp_path, "a.csv", b"id,text\n1\n2\n3,c\n4\n", limit=2)

    said = "Line 5 of a.csv has 1 value, the header has 2. It is bad row 3, and 2 may be set aside."
    assert str(refused.value) == said
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_of_nothing_but_bad_rows_is_refused(tmp_path):
    with pytest.raises(JobError, match=r"Every row of a\.csv is bad\."):
        imported(tmp_path, "a.csv", b"id,text\n1\n2\n")


def test_a_preview_tells_of_bad_rows(tmp_path):
    seen = preview(source_of(tmp_path, "a.csv", b"id,text\n1,a\n2\n", bad_rows=5))

    assert len(seen.rows) == 1
    assert seen.warnings == ["1 bad row is set aside in the part of the file that was looked at."]
