import pytest

from tests.bad_files import BAD_FILES, MEMORY_BYTES, SECONDS, reader, refused


@pytest.fixture(scope="module")
def child():
    with reader() as child:
        yield child


@pytest.mark.parametrize("bad", BAD_FILES, ids=[f"{bad.what} {bad.name}" for bad in BAD_FILES])
def test_a_bad_file_gets_a_sentence_and_leaves_nothing_behind(tmp_path, child, bad):
    found = refused(bad, tmp_path, child)

    assert str(found.error).startswith(bad.said)
    assert found.error.advice.endswith(".")
    assert found.seconds < SECONDS
    assert found.peak_bytes < MEMORY_BYTES
    assert list((tmp_path / "out").iterdir()) == []
