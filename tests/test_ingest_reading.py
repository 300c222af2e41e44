"""How a file is read: what is detected of it, and that every choice changes what is read."""

import gzip
import random

import pyarrow as pa
import pytest

from datasets_app.ingest.options import Delimiter, Encoding, Layout, TextRows
from datasets_app.ingest.preview import preview
from tests.ingest_samples import SMALL_BLOCKS, import_file, imported_rows, refusal, rows_of, source_of

ROWS = [{"id": row, "text": f"zwölf {row}"} for row in range(50)]
CSV = "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in ROWS)


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACK = {".gz": gzip.compress, ".zst": zstd}


def detected(source):
    return dict(preview(source).reading)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.jsonl", "".join(f'{{"id": {row["id"]}, "text": "{row["text"]}"}}\n' for row in ROWS)),
        ("a.json", str(ROWS).replace("'", '"')),
    ],
)
def test_a_packed_file_reads_as_it_does_unpacked(tmp_path, name, content, packing):
    source = source_of(tmp_path, name + packing, PACK[packing](content.encode()), block_bytes=SMALL_BLOCKS)

    assert rows_of(source) == ROWS


def test_packed_parts_that_were_put_together_are_read_to_the_end(tmp_path):
    assert len(rows_of(source_of(tmp_path, "a.txt.gz", gzip.compress(b"a\n") + gzip.compress(b"b\n")))) == 2
    assert len(rows_of(source_of(tmp_path, "a.txt.zst", zstd(b"a\n") + zstd(b"b\n")))) == 2


def test_a_packed_text_can_be_one_row(tmp_path):
    source = source_of(tmp_path, "a.txt.gz", gzip.compress(b"a\nb\n"), text_rows=TextRows.FILE)

    assert rows_of(source) == [{"text": "a\nb\n"}]


def test_progress_of_a_packed_file_is_counted_in_packed_bytes(tmp_path):
    text = random.Random(1).randbytes(1 << 20).hex().encode()
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"\n".join(text[at : at + 80] for at in range(0, len(text), 80))))

    done = import_file(path, tmp_path / "out")

    assert done["counts"]["bytes"] == path.stat().st_size


def test_the_unpacked_size_is_limited(tmp_path):
    content = gzip.compress(b"hello\n" * 1000)

    assert len(rows_of(source_of(tmp_path, "a.txt.gz", content, unpacked_limit_bytes=6000))) == 1000
    error = refusal(source_of(tmp_path, "a.txt.gz", content, unpacked_limit_bytes=5999))
    assert str(error) == "a.txt.gz is over 5.999e-06 GB when it is unpacked."


@pytest.mark.parametrize("extension", [".csv", ".tsv"])
@pytest.mark.parametrize("delimiter", list(Delimiter))
def test_the_delimiter_is_detected(tmp_path, delimiter, extension):
    source = source_of(tmp_path, f"a{extension}", CSV.replace(",", delimiter.character).encode())

    assert rows_of(source) == ROWS
    assert detected(source)["Delimiter"] == delimiter


def test_the_delimiter_of_the_kind_comes_first(tmp_path):
    source = source_of(tmp_path, "a.csv", b"id,text\n1,a;b\n2,c;d\n")

    assert detected(source)["Delimiter"] == "comma"


def test_another_delimiter_can_be_chosen(tmp_path):
    content = b"id,note;text\n1,2;a\n"

    assert rows_of(source_of(tmp_path, "a.csv", content, delimiter=Delimiter.SEMICOLON)) == [
        {"id,note": "1,2", "text": "a"}
    ]
    assert list(rows_of(source_of(tmp_path, "a.csv", content))[0]) == ["id", "note;text"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"id,text\n1,a\n", ["id", "text"]),
        (b"1,a\n2,b\n", ["column_1", "column_2"]),
        (b"2023,2024\nmany,few\n", ["2023", "2024"]),
        (b"text\n" + b"x" * 300 + b"\n", ["text"]),
        (b"x" * 300 + b"\n" + b"y" * 300 + b"\n", ["column_1"]),
    ],
)
def test_a_header_is_detected(tmp_path, content, names):
    assert list(rows_of(source_of(tmp_path, "a.csv", content))[0]) == names


def test_whether_there_is_a_header_can_be_chosen(tmp_path):
    names = source_of(tmp_path, "a.csv", b"1,2\n3,4\n", header=True)
    data = source_of(tmp_path, "b.csv", b"a,b\nc,d\n", header=False)

    assert rows_of(names) == [{"1": 3, "2": 4}]
    assert rows_of(data)[0] == {"column_1": "a", "column_2": "b"}
    assert (detected(names)["Header"], detected(data)["Header"]) == ("yes", "no")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", Encoding.UTF_8),
        (b"\xef\xbb\xbf", Encoding.UTF_8_BOM),
        (b"\xff\xfe", Encoding.UTF_16_LE),
        (b"\xfe\xff", Encoding.UTF_16_BE),
        (b"", Encoding.UTF_16_LE),
        (b"", Encoding.UTF_16_BE),
        (b"", Encoding.WINDOWS_1252),
    ],
)
def test_the_encoding_is_detected(tmp_path, name, mark, encoding):
    content = mark + CSV.encode(encoding.value.removesuffix("-sig"))
    content = gzip.compress(content) if name.endswith(".gz") else content
    source = source_of(tmp_path, name, content, block_bytes=SMALL_BLOCKS)

    assert rows_of(source) == ROWS
    assert detected(source)["Encoding"] == encoding.words


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_another_encoding_can_be_chosen(tmp_path, name):
    content = '{"text": "é"}\n'.encode()

    right = rows_of(source_of(tmp_path, name, content))
    wrong = rows_of(source_of(tmp_path, name, content, encoding=Encoding.LATIN_1))

    assert "é" in right[0]["text"]
    assert "Ã©" in wrong[0]["text"]


def test_the_quotes_and_dashes_of_windows_are_read(tmp_path):
    source = source_of(tmp_path, "a.txt", "“5 €” – caf\xe9\n".encode("windows-1252"))

    assert rows_of(source) == [{"text": "“5 €” – café"}]
    assert detected(source)["Encoding"] == "Windows-1252"


def test_a_damaged_row_does_not_make_a_file_latin(tmp_path):
    error = refusal(source_of(tmp_path, "a.txt", "größer\n".encode() + b"gr\xf6\xdfer\n"))

    assert str(error) == "Line 2 of a.txt is not valid UTF-8."


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.json", '{"id": 1}\n{"id": 2}\n', Layout.LINES),
        ("a.json", '{\n"id": 1}\n{"id": 2}\n', Layout.SEQUENCE),
        ("a.json", '[{"id": 1}, {"id": 2}]', Layout.ARRAY),
        ("a.json", '{"version": 1, "data": [{"id": 1}, {"id": 2}], "more": {}}', Layout.OBJECT),
        ("a.json", '{\n  "data": [\n{"id": 1},\n{"id": 2}]\n}\n', Layout.OBJECT),
    ],
)
def test_the_layout_of_json_is_detected(tmp_path, name, content, layout):
    source = source_of(tmp_path, name, content.encode(), block_bytes=8)

    assert [row["id"] for row in rows_of(source)] == [1, 2]
    assert detected(source)["Layout"] == layout.words


def test_a_large_object_with_a_list_is_recognised_by_its_beginning(tmp_path):
    rows = b", ".join(b'{"id": %d, "text": "some words"}' % row for row in range(50_000))
    source = source_of(tmp_path, "a.json", b'{"about": {"a": 1}, "data": [' + rows + b"]}")

    assert len(rows_of(source)) == 50_000


def test_a_chat_is_a_row_and_no_list_of_rows(tmp_path):
    chat = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'

    assert len(rows_of(source_of(tmp_path, "a.json", chat))) == 1


def test_another_layout_can_be_chosen(tmp_path):
    content = b'{"data": [{"id": 1}, {"id": 2}]}'

    assert len(rows_of(source_of(tmp_path, "a.json", content))) == 2
    assert len(rows_of(source_of(tmp_path, "a.json", content, layout=Layout.LINES))) == 1
    error = refusal(source_of(tmp_path, "a.json", content, layout=Layout.ARRAY))
    assert str(error) == 'Line 1 of a.json has "{" instead of the opening bracket of a list.'


def test_choices_reach_the_reader_by_the_child(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("a|b;é\n".encode("utf-16-le"))
    options = {"delimiter": "bar", "header": "no", "encoding": "utf-16-le", "text": "lines"}

    done = import_file(path, tmp_path / "out", options=options)

    assert imported_rows(tmp_path / "out", done["parts"]) == [{"column_1": "a", "column_2": "b;é"}]


def test_whole_numbers_of_many_digits_are_kept_as_text(tmp_path):
    rows = rows_of(source_of(tmp_path, "a.csv", b"id,text\n" + b"1234567890" * 3 + b",a\n"))

    assert rows[0]["id"] == "1234567890" * 3
