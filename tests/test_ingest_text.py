import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import TextRows
from datasets_app.ingest.source import Source
from tests.ingest_samples import SMALL_BLOCKS, patiently, refusal, rows_of, source_of


def texts_of(source: Source) -> list[str]:
    return [row["text"] for row in rows_of(source)]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\r\n b \r\n", ["a", "", " b "]),
        (b"\n", [""]),
        (b"\xef\xbb\xbfa\n", ["a"]),
        ("é\n東京\n".encode(), ["é", "東京"]),
    ],
)
def test_a_row_is_a_line_without_its_end(tmp_path, content, texts):
    assert texts_of(source_of(tmp_path, "a.txt", content)) == texts


@patiently
@given(lines=st.lists(st.text(st.sampled_from("aé東 "), max_size=5), min_size=1), block_bytes=st.integers(16, 40))
def test_lines_read_the_same_wherever_blocks_are_cut(tmp_path_factory, lines, block_bytes):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())

    assert texts_of(Source(path, Kind.TXT, path.name, block_bytes=block_bytes)) == lines


def test_a_row_can_be_the_whole_file(tmp_path):
    source = source_of(tmp_path, "a.txt", b"\xef\xbb\xbfa\r\n\nb\n", text_rows=TextRows.FILE)

    assert texts_of(source) == ["a\r\n\nb\n"]


@pytest.mark.parametrize("text_rows", list(TextRows))
def test_a_broken_text_file_is_refused(tmp_path, text_rows):
    nothing = refusal(source_of(tmp_path, "a.txt", b"", text_rows=text_rows))
    damaged = refusal(source_of(tmp_path, "b.txt", b"a\n\xff\n", text_rows=text_rows))
    huge = refusal(source_of(tmp_path, "c.txt", b"x" * (80 << 20), text_rows=text_rows))

    assert str(nothing) == "a.txt is empty."
    assert str(damaged) == "Line 2 of b.txt is not valid UTF-8."
    assert str(huge).endswith("c.txt is over 16 MiB.")


def test_a_damaged_line_is_named_that_is_many_blocks_into_the_file(tmp_path):
    source = source_of(tmp_path, "a.txt", b"line\n" * 100 + b"\xff\n", block_bytes=SMALL_BLOCKS)

    assert str(refusal(source)) == "Line 101 of a.txt is not valid UTF-8."
