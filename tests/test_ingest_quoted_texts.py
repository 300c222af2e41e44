"""Long quoted texts, read by their quotes alone: whatever is read so is what pyarrow's parser reads."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.ingest.plain_csv import read_csv
from datasets_app.ingest.quoted_texts import read_quoted_texts
from datasets_app.ingest.quoting import cut_after_record
from tests.ingest_samples import patiently

TYPES = {"id": pa.int64(), "text": pa.string(), "title": pa.string(), "score": pa.float64()}
LONG = "y" * 500
PIECES = st.lists(st.sampled_from([LONG, '"', '""', ",", "\n", "\r\n", "\r", "é", "a", " ", ";"]), max_size=5)
TEXTS = st.one_of(PIECES.map("".join), st.just(LONG + '"quoted", and more\n'))
ROWS = st.lists(st.tuples(st.integers(-9, 9), TEXTS, TEXTS, st.one_of(st.just(""), st.floats(-1, 1))), min_size=1)


def both(data: bytes, types: dict[str, pa.DataType]) -> tuple[pa.Table | None, pa.Table | None]:
    """What is read of the whole records by the quotes, and by pyarrow; None where there is no such table."""
    size, quotes = cut_after_record(data, b",")
    if quotes is None or not size:
        return None, None
    data = data[:size]
    tables = []
    for read in (
        lambda: read_quoted_texts(data, quotes, ",", types),
        lambda: read_csv(pa.py_buffer(data), ",", types, types),
    ):
        try:
            tables.append(read())
        except pa.ArrowInvalid:
            tables.append(None)
    return tables[0], tables[1]


def lines(rows: list[tuple[object, ...]], line_end: str, quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=line_end, quoting=quoting).writerows(rows)
    return file.getvalue().encode()


@patiently
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
def test_what_is_read_is_what_pyarrow_reads(rows, line_end, quoting):
    ours, theirs = both(lines(rows, line_end, quoting), TYPES)

    assert ours is None or ours.equals(theirs)


@patiently
@given(ROWS, st.data())
def test_so_it_is_for_what_is_damaged(rows, data):
    whole = lines(rows, "\n")
    for _ in range(2):
        at = data.draw(st.integers(0, len(whole)))
        whole = whole[:at] + data.draw(st.sampled_from([b'"', b",", b"\n", b"\r", b"", b"\xff"])) + whole[at + 1 :]

    ours, theirs = both(whole, TYPES)

    assert ours is None or ours.equals(theirs)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("title", ["", '""', "short", f"{LONG},"])
def test_texts_with_all_that_needs_quotes_are_read_so(line_end, title):
    texts = [f'{LONG}"{number}",\n\r é' for number in range(50)]
    rows = [(number, text, title, number / 2) for number, text in enumerate(texts)]

    ours, theirs = both(lines(rows, line_end), TYPES)

    assert ours is not None
    assert ours.equals(theirs)
    assert ours.to_pydict() == {name: list(column) for name, column in zip(TYPES, zip(*rows, strict=True), strict=True)}


def test_a_single_column_of_texts_is_read_so():
    texts = [f'{LONG} "{number}"' for number in range(50)]

    ours, _ = both(lines([(text,) for text in texts], "\n"), {"text": pa.string()})

    assert ours is not None
    assert ours.to_pydict() == {"text": texts}


@pytest.mark.parametrize(
    "data",
    [
        b"1,short,a,\n" * 50,
        b"".join(b'%d,"a,b",c,\n' % number for number in range(50)),
        b'1,"%s"x,a,\n' % LONG.encode(),
        b'1,"%s",a\n' % LONG.encode(),
        b'1,"%s",a,2\r2,"b",c,\n' % LONG.encode(),
        b'\n1,"%s",a,\n' % LONG.encode(),
    ],
    ids=["no quotes", "short texts", "more after a quote", "ragged", "a return alone", "a blank line"],
)
def test_anything_else_is_left_to_pyarrow(data):
    ours, _ = both(data, TYPES)

    assert ours is None


@pytest.mark.parametrize("row", [b'1,"%s\xff",a,\n' % LONG.encode(), b'x,"%s",a,\n' % LONG.encode()])
def test_what_pyarrow_refuses_is_refused(row):
    good = b'1,"%s",a,2\n' % LONG.encode()
    quotes = cut_after_record(good * 5 + row, b",").quotes

    assert quotes is not None
    with pytest.raises(pa.ArrowInvalid):
        read_quoted_texts(good * 5 + row, quotes, ",", TYPES)
