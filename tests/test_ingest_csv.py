from itertools import accumulate

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.ingest.quoting import cut_after_record
from datasets_app.ingest.source import SchemaChanged
from tests.ingest_samples import SMALL_BLOCKS, patiently, refusal, rows_of, source_of

QUOTE = '"'
MANY_ROWS = b"id,text\n" + b"".join(b"%d,row %d\n" % (row, row) for row in range(200))


def test_a_csv_file_becomes_rows_with_types(tmp_path):
    source = source_of(tmp_path, "a.csv", b"id,score,good,text\n1,0.5,true,hello\n2,1,false,\n")

    rows = rows_of(source)

    assert rows == [
        {"id": 1, "score": 0.5, "good": True, "text": "hello"},
        {"id": 2, "score": 1.0, "good": False, "text": ""},
    ]


def test_a_quoted_value_holds_line_breaks_delimiters_and_quotes(tmp_path):
    source = source_of(tmp_path, "a.csv", b'a,b\r\n1,"x,\r\n""y"""\r\n2,z\r\n')

    rows = rows_of(source)

    assert rows == [{"a": 1, "b": 'x,\r\n"y"'}, {"a": 2, "b": "z"}]


def test_a_quote_inside_a_value_is_a_character(tmp_path):
    source = source_of(tmp_path, "a.csv", b'a,b\n1,5" disk\n2,a "word" here\n', block_bytes=SMALL_BLOCKS)

    rows = rows_of(source)

    assert [row["b"] for row in rows] == ['5" disk', 'a "word" here']


def test_a_tab_separates_the_values_of_a_tsv_file(tmp_path):
    source = source_of(tmp_path, "a.tsv", b'a\tb\n1\t"x\ty"\n2\tx, y\n')

    rows = rows_of(source)

    assert [row["b"] for row in rows] == ["x\ty", "x, y"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_understood(tmp_path, line_end):
    content = MANY_ROWS.replace(b"\n", line_end.encode())

    rows = rows_of(source_of(tmp_path, "a.csv", content, block_bytes=SMALL_BLOCKS))

    assert rows == [{"id": row, "text": f"row {row}"} for row in range(200)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    rows = rows_of(source_of(tmp_path, "a.csv", b"\xef\xbb\xbfa,b\n1,x\n"))

    assert rows == [{"a": 1, "b": "x"}]


def test_dates_and_empty_columns_stay_text(tmp_path):
    rows = rows_of(source_of(tmp_path, "a.csv", b"day,nothing\n2024-01-01,\n2024-01-02,\n"))

    assert rows[0] == {"day": "2024-01-01", "nothing": ""}


def test_a_column_without_a_name_gets_one(tmp_path):
    rows = rows_of(source_of(tmp_path, "a.csv", b",text\n0,x\n"))

    assert rows == [{"column_1": 0, "text": "x"}]


def test_a_missing_number_is_null_and_the_word_null_is_text(tmp_path):
    rows = rows_of(source_of(tmp_path, "a.csv", b"a,b\n1,x\nNA,null\n"))

    assert rows[1] == {"a": None, "b": "null"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a.csv is empty."),
        (b"\n\n", "a.csv is empty."),
        (b"a,b\n", "a.csv has a header, but no rows."),
        (b"a,b", "a.csv has a header, but no rows."),
        (b"a,b,a\n1,2,3\n", 'The header of a.csv has the column "a" twice.'),
        (b'a,b\n1,x\n\n2,"y\nz"\n3\n', "Line 6 of a.csv has 1 value, the header has 2."),
        (b"a,b\n1,x\n2,y,z\n", "Line 3 of a.csv has 3 values, the header has 2."),
        (b"a,b\n1,x\n2,\xff\n", "Line 3 of a.csv is not valid UTF-8."),
        (b"a,\xff\n1,x\n", "Line 1 of a.csv is not valid UTF-8."),
        (b'a,b\n1,"x"\n2,"y\nz\n', "The quote opened on line 3 of a.csv is never closed."),
    ],
)
def test_a_broken_csv_file_is_refused_with_its_line(tmp_path, content, said):
    assert str(refusal(source_of(tmp_path, "a.csv", content))) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"x,text\n", 'Line 202 of a.csv has "x" in the column "id", which holds whole numbers until then.'),
        (b"1,text,more\n", "Line 202 of a.csv has 3 values, the header has 2."),
        (b"1,\xff\n", "Line 202 of a.csv is not valid UTF-8."),
        (b'1,"text\n', "The quote opened on line 202 of a.csv is never closed."),
    ],
)
def test_a_line_is_named_that_is_many_blocks_into_the_file(tmp_path, line, said):
    source = source_of(tmp_path, "a.csv", MANY_ROWS + line, block_bytes=SMALL_BLOCKS)

    assert str(refusal(source)) == said


def test_whole_numbers_become_numbers_when_a_later_row_needs_it(tmp_path):
    source = source_of(tmp_path, "a.csv", MANY_ROWS + b"0.5,half\n7,last\n", block_bytes=SMALL_BLOCKS)

    with pytest.raises(SchemaChanged) as changed:
        rows_of(source)

    rows = rows_of(source, changed.value.schema)
    assert [row["id"] for row in rows[-2:]] == [0.5, 7.0]
    assert len(rows) == 202


def test_a_given_schema_is_binding(tmp_path):
    schema = pa.schema([("text", pa.string()), ("extra", pa.int64())])

    rows = rows_of(source_of(tmp_path, "a.csv", b"text\n7\n"), schema)
    error = refusal(source_of(tmp_path, "b.csv", b"text,other\n7,8\n"), schema)

    assert rows == [{"text": "7", "extra": None}]
    assert str(error) == 'b.csv has the column "other", which the dataset does not have.'


def test_a_row_that_never_ends_is_refused_before_it_is_all_read(tmp_path):
    content = b'a,b\n1,"open\n' + b"2,x\n" * (20 << 20)

    error = refusal(source_of(tmp_path, "a.csv", content))

    assert str(error) == "The row that starts on line 2 of a.csv is over 16 MiB."
    assert "quote" in error.advice


def quoted(value: str) -> bytes:
    """As most programs write it: in quotes where it needs them."""
    return (f'"{value.replace(QUOTE, 2 * QUOTE)}"' if set(value) & set('",\n\r\t') else value).encode()


CELLS = st.text(st.sampled_from('a",\n\r \t'), max_size=6)


@patiently
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8), st.sampled_from([b",", b"\t"]))
def test_a_cut_is_always_between_two_records(rows, delimiter):
    records = [delimiter.join(map(quoted, row)) + b"\n" for row in rows]
    data = b"".join(records)

    cuts = {cut_after_record(data[:size], delimiter).size for size in range(1, len(data) + 1)}

    assert cuts <= {0, *accumulate(map(len, records))}
    assert max(cuts) == len(data)


@patiently
@given(st.lists(st.text(st.sampled_from('ab" '), min_size=1, max_size=5), min_size=1, max_size=6))
def test_a_quote_in_the_middle_of_a_value_never_hides_a_line_break(values):
    data = "".join(f"x{value},1\n" for value in values).encode()

    cut = cut_after_record(data, b",").size

    assert cut == len(data)
