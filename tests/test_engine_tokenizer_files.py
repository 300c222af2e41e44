import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.errors import JobError
from tests.engine_samples import SHARED, byte_bpe, needs_shared, word_level, wordpiece
from tokenizations.engine.tokenizer_files import load, read_tokenizer


def written(folder: Path, name: str, content: bytes | str | dict[str, Any]) -> Path:
    path = folder / name
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def changed(json_bytes: bytes, **values: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json_bytes)
    content["model"] |= values.pop("model", {})
    return content | values


def test_it_tells_the_facts_of_a_tokenizer_json(tmp_path: Path) -> None:
    facts = read_tokenizer(written(tmp_path, "some.json", wordpiece()))

    assert (facts.kind, facts.num_special_tokens_added) == ("WordPiece", 2)
    assert facts.special_tokens == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    assert (facts.unknown_token, facts.unknown_id) == ("[UNK]", 1)
    assert facts.max_id == facts.vocab_size - 1
    assert facts.json_bytes == wordpiece()
    json.dumps(facts.to_dict())


def pair(folder: Path, vocabulary: Any = None, merges: str = "#version: 0.2\na b\n") -> list[Path]:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3} if vocabulary is None else vocabulary
    return [written(folder, "vocab.json", json.dumps(vocabulary)), written(folder, "merges.txt", merges)]


def test_a_pair_of_vocab_and_merges_becomes_one_file(tmp_path: Path) -> None:
    facts = read_tokenizer(pair(tmp_path))

    assert facts.kind == "BPE"
    assert facts.special_tokens == {"<|endoftext|>": 3}
    assert load(facts.json_bytes).encode("abba<|endoftext|>").ids == [2, 1, 0, 3]


def test_a_pair_is_the_same_in_either_order_and_as_a_folder(tmp_path: Path) -> None:
    files = pair(tmp_path)

    hashes = {read_tokenizer(paths).sha256 for paths in (files, files[::-1], tmp_path)}

    assert len(hashes) == 1


def test_a_folder_with_a_tokenizer_json_is_read_from_that(tmp_path: Path) -> None:
    pair(tmp_path)
    written(tmp_path, "tokenizer.json", byte_bpe())

    assert read_tokenizer(tmp_path).json_bytes == byte_bpe()


@pytest.mark.parametrize(
    ("vocabulary", "merges", "message"),
    [
        ({"a": 0, "b": 1, "ab": 2}, "a b\nab\n", "Line 2 of merges.txt is not two pieces"),
        ({"a": 0, "b": 1, "ab": 2}, "a c\n", "Line 1 of merges.txt is not in the vocabulary"),
        ({"a": 0, "b": 1}, "a b\n", "Line 1 of merges.txt is not in the vocabulary"),
        ({"a": 0, "b": 0}, "", "an id of its own"),
        ({"a": "0"}, "", "an id of its own"),
        ({"a": -1}, "", "an id of its own"),
        ([1, 2], "", "not an object of tokens"),
        ({}, "", "not an object of tokens"),
        ({"a": 1 << 31}, "", "does not fit 32 bits"),
        ({"a": (1 << 31) - 1}, "", "is over 16,777,215"),
    ],
)
def test_a_broken_pair_is_refused_with_the_reason(tmp_path: Path, vocabulary: Any, merges: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        read_tokenizer(pair(tmp_path, vocabulary, merges))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a tokenizer: "),
        ("{", "is not a tokenizer: "),
        ("[" * 100_000, "is not a tokenizer: "),
        (b"\xff\xfe", "is not a tokenizer: "),
        ({"model": {"type": "WordLevel", "vocab": {"a": 1 << 33}, "unk_token": "a"}}, "is not a tokenizer: "),
        (changed(byte_bpe(), model={"vocab": {}, "merges": []}, added_tokens=[]), "vocabulary of x.json is empty"),
        (changed(byte_bpe(), model={"dropout": 0.1}), "uses BPE dropout"),
        (changed(word_level(), model={"vocab": {"a": (1 << 31) - 1}}), "is over 16,777,215"),
        (changed(word_level(), model={"vocab": {"a": 1 << 31}}), "does not fit 32 bits"),
        (
            changed(word_level(), normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAAAAAAAAAA"}),
            "x.json is broken: index out of bounds",
        ),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(JobError, match=message) as caught:
        read_tokenizer(written(tmp_path, "x.json", content))

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert caught.value.advice


def test_it_says_which_files_it_needs(tmp_path: Path) -> None:
    vocab, merges = pair(tmp_path)

    for paths in (tmp_path / "none.json", [vocab, vocab], [merges, merges], [vocab, merges, merges]):
        with pytest.raises(JobError, match="no tokenizer in these files"):
            read_tokenizer(paths)


def test_a_tokenizer_never_cuts_or_pads_whatever_its_file_says() -> None:
    settings = {
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 50}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
    }  # fmt: skip

    tokenizer = load(json.dumps(changed(wordpiece(), **settings)).encode())

    assert tokenizer.encode("the cat sat on a mat").ids == load(wordpiece()).encode("the cat sat on a mat").ids


@needs_shared
def test_gpt2s_two_files_give_what_transformers_makes_of_them() -> None:
    from transformers import GPT2Tokenizer

    folder = SHARED / "tokenizers/gpt2"
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    text = "Hello  world!\n\nnaïve 京 don't<|endoftext|>\t12345 " * 3

    facts = read_tokenizer(folder)

    assert load(facts.json_bytes).encode(text).ids == GPT2Tokenizer(**files)(text)["input_ids"]
    assert facts.special_tokens == {"<|endoftext|>": 50256}
