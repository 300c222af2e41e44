import subprocess
import sys
from pathlib import Path

import pytest

from datasets_app.children import ROOT, Child
from datasets_app.errors import JobError
from tests.ingest_samples import SHARED, answers_to, import_file, imported_rows, needs_shared

MEMORY_BYTES = 400 << 20


@pytest.fixture
def child():
    child = Child("datasets_app.ingest.child", memory_limit_bytes=MEMORY_BYTES)
    yield child
    child.close()


def import_request(path: Path, out: Path, **more: object) -> dict[str, object]:
    kind = path.suffix.removeprefix(".")
    return {
        "do": "import",
        "path": str(path),
        "kind": kind,
        "name": path.name,
        "out": str(out),
        "stem": "x-part",
        **more,
    }


def test_an_import_reports_stages_counts_and_parts(tmp_path, child):
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "".join(f"{row},hello {row}\n" for row in range(100)))

    messages = [message for message in child.run(import_request(path, tmp_path)) if message]

    done = messages[-1]["done"]
    assert [message["stage"] for message in messages if "stage" in message] == ["Reading", "Saving"]
    assert done["counts"] == {
        "processed": 100,
        "kept": 100,
        "filtered": 0,
        "errored": 0,
        "bytes": path.stat().st_size,
        "tokens_processed": 0,
        "tokens": 0,
        "sequences": 0,
        "reasons": {},
    }
    assert imported_rows(tmp_path, done["parts"])[-1] == {"id": 99, "text": "hello 99"}


def test_a_broken_file_is_explained_and_the_child_goes_on(tmp_path, child):
    broken, good = tmp_path / "broken.csv", tmp_path / "good.csv"
    broken.write_text("a,b\n1\n")
    good.write_text("a,b\n1,2\n")

    with pytest.raises(JobError) as refused:
        list(child.run(import_request(broken, tmp_path)))
    pid = child.pid
    done = list(child.run(import_request(good, tmp_path)))[-1]

    assert str(refused.value) == "Line 2 of broken.csv has 1 value, the header has 2."
    assert refused.value.advice
    assert done["done"]["counts"]["kept"] == 1
    assert child.pid == pid


def test_the_option_of_text_files_reaches_the_reader(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n")

    lines = import_file(path, tmp_path / "lines", options={})
    file = import_file(path, tmp_path / "file", options={"text": "file"})

    assert lines["counts"]["kept"] == 2
    assert imported_rows(tmp_path / "file", file["parts"]) == [{"text": "a\nb\n"}]


def test_a_preview_is_one_answer(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n")

    (answer,) = answers_to({"do": "preview", "path": str(path), "kind": "txt", "name": "a.txt", "rows": 1})

    assert answer["done"]["rows"] == [{"text": "a"}]


def test_counts_never_fall_and_never_pass_the_size_of_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello\n" * 10_000_000)

    request = {**import_request(path, tmp_path), "options": {"text": "lines"}}
    counts = [message["counts"] for message in answers_to(request) if "counts" in message]

    assert counts
    assert [count["bytes"] for count in counts] == sorted(count["bytes"] for count in counts)
    assert all(count["bytes"] <= path.stat().st_size for count in counts)
    assert all(count["processed"] == count["kept"] for count in counts)


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("a.csv", b"id,text\n", b'1,"' + b"some words, " * 80 + b'"\n'),
        ("a.jsonl", b"", b'{"id": 1, "text": "' + b"some words, " * 80 + b'"}\n'),
        ("a.json", b"[", b'{"id": 1, "text": "' + b"some words, " * 80 + b'"},\n'),
        ("a.txt", b"", b"some words, " * 80 + b"\n"),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path, child, name, head, row):
    path = tmp_path / name
    with path.open("wb") as stream:
        stream.write(head)
        for _ in range(150):
            stream.write(row * 1000)
        stream.write(b'{"id": 2, "text": ""}]' if name == "a.json" else b"")

    # The child is killed, and this fails, when it takes more than it is allowed: less than three times the file.
    done = [message for message in child.run(import_request(path, tmp_path)) if message][-1]

    assert done["done"]["counts"]["kept"] >= 150_000


def test_the_child_imports_neither_pandas_nor_django():
    code = (
        "import sys, datasets_app.ingest.child; print([name for name in ('pandas', 'django') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


@needs_shared
@pytest.mark.parametrize("name", ["gsm8k_train.jsonl", "tinyshakespeare.txt", "eips.parquet"])
def test_importing_a_real_corpus_twice_gives_the_same_parts(tmp_path, name):
    path = SHARED / "corpora" / name

    first = import_file(path, tmp_path / "first")
    second = import_file(path, tmp_path / "second")

    assert first == second
    assert first["counts"]["kept"] > 1000


@pytest.mark.parametrize("options", [{}, {"bad_rows": 5}])
def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path, child, options):
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text("id,text\n1\n" if options else "id,text\n" + "1,hello\n" * 100)
    if options:
        path.write_text("id,text\n1\n2,hello\n")
    out.mkdir()
    for name in ("x-part-00000.parquet", "x-part-rejected.jsonl"):
        (out / name).symlink_to("/dev/full")

    with pytest.raises(JobError, match=r"The disk is full\.") as refused:
        list(child.run(import_request(path, out, options=options)))

    assert refused.value.advice == "Free some space, then try again."
    assert not (out / "x-part-00000.parquet").is_symlink()


def test_what_a_sentence_quotes_of_a_file_is_inert(tmp_path, child):
    path = tmp_path / "a.csv"
    path.write_text("id,text\n" + "1,hello\n" * 600_000 + "\u202e\x1b[31mevil,text\n")

    with pytest.raises(JobError) as refused:
        list(child.run(import_request(path, tmp_path)))

    assert 'has "��[31mevil" in the column "id"' in str(refused.value)
