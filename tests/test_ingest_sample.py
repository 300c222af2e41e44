from pathlib import Path

import pytest
from tokenizers import Tokenizer

from datasets_app.ingest import sample
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.sample import Recipe, sample_documents, write_sample
from datasets_app.ingest.source import Source
from datasets_app.ingest.training import train_byte_bpe, train_wordpiece
from tests.ingest_samples import rows_of

MODULE = '''"""What the module is for."""

class Thing:
    """A thing."""

    def work(self):
        """Do it."""
        return "\\f"
'''


@pytest.fixture
def library(tmp_path) -> Path:
    """A small standard library, with what does not belong into the sample."""
    root = tmp_path / "library"
    for number in range(30):
        (root / f"package{number}").mkdir(parents=True)
        (root / f"package{number}" / "module.py").write_text(MODULE.replace("Thing", f"Thing{number}"))
    for folder in ("test", "site-packages", "package1/tests"):
        (root / folder).mkdir()
        (root / folder / "other.py").write_text("other = 1\n")
    (root / "_sysconfigdata_x.py").write_text("machine = 1\n")
    (root / "broken.py").write_bytes(b"print 'x'\n")
    (root / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nname = 'Müller'\n".encode("latin-1"))
    (root / "empty.py").write_bytes(b"\n")
    return root


def test_the_sample_has_modules_definitions_and_docstrings(library):
    texts = {document.path: document.text for document in sample_documents(library)}

    assert texts["package7/module.py#Thing7"].startswith("class Thing7:")
    assert texts["package7/module.py#Thing7.work.__doc__"] == "Do it."
    assert texts["package7/module.py#__doc__"] == "What the module is for."
    assert "Müller" in texts["latin.py"]
    assert {path.partition("#")[0] for path in texts} == {f"package{n}/module.py" for n in range(30)} | {"latin.py"}


def test_all_of_one_file_is_in_the_same_split(library):
    documents = list(sample_documents(library))

    splits: dict[str, set[str]] = {}
    for document in documents:
        splits.setdefault(document.path.partition("#")[0], set()).add(document.split)
    assert all(len(names) == 1 for names in splits.values())
    assert {document.split for document in documents} == {"train", "test"}
    assert documents == list(sample_documents(library))


def test_the_real_library_gives_text_enough():
    characters = dict.fromkeys(("train", "test"), 0)

    for document in sample_documents():
        characters[document.split] += len(document.text)

    assert 15e6 < sum(characters.values()) < 35e6
    assert characters["test"] > 1e6


def test_the_sample_is_written_as_files_to_import_and_tokenizers(library, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    documents = list(sample_documents(library))
    monkeypatch.setattr(sample, "sample_documents", lambda: iter(documents))
    monkeypatch.setattr(
        sample,
        "RECIPES",
        [Recipe("BPE", "bpe.json", train_byte_bpe, 300), Recipe("WP", "wp.json", train_wordpiece, 200)],
    )

    done = list(write_sample(out))[-1]["done"]

    for file in done["files"]:
        rows = rows_of(Source(out / file["name"], Kind(file["kind"]), file["name"]))
        expected = [document for document in documents if document.split == file["split"]]
        assert rows == [{"path": document.path, "text": document.text} for document in expected]
        assert (file["rows"], file["bytes"]) == (len(rows), (out / file["name"]).stat().st_size)
    assert [tokenizer["name"] for tokenizer in done["tokenizers"]] == ["BPE", "WP"]
    assert all(Tokenizer.from_file(str(out / tokenizer["file"])) for tokenizer in done["tokenizers"])


TEXTS = ["def work(self): return self.thing  # naïve", "the quick brown fox, the lazy dog"] * 30


def test_the_byte_level_bpe_gives_back_any_text():
    tokenizer = Tokenizer.from_str(train_byte_bpe(TEXTS, 400).decode())

    text = "Ünïcode 東京 \x00\n the quick"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("<|endoftext|>").tokens == ["<|endoftext|>"]


def test_the_wordpiece_is_like_berts():
    tokenizer = Tokenizer.from_str(train_wordpiece(TEXTS, 300).decode())

    encoding = tokenizer.encode("The quick 東 foxthe [MASK]")

    assert encoding.tokens == ["[CLS]", "the", "quick", "[UNK]", "fox", "##t", "##h", "##e", "[MASK]", "[SEP]"]
    assert [tokenizer.token_to_id(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("train", [train_byte_bpe, train_wordpiece])
def test_the_same_texts_make_the_same_tokenizer(train):
    texts = [document.text for document, _ in zip(sample_documents(), range(40), strict=False)]

    assert train(texts, 2000) == train(texts, 2000)
