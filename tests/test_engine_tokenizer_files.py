import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.errors import JobError
from tests.engine_samples import SHARED, byte_bpe, needs_shared, patiently, word_level, wordpiece
from tokenizations.engine.tokenizer_files import LARGEST_ID, LARGEST_INT32, facts_of, load, read_tokenizer


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


def companions(folder: Path, **contents: Any) -> list[Path]:
    written(folder, "tokenizer.json", changed(byte_bpe(), added_tokens=SPECIALS))
    for name, content in contents.items():
        written(
            folder, f"{name}.jinja" if isinstance(content, str) and name == "chat_template" else f"{name}.json", content
        )
    return sorted(folder.iterdir())


def special(content: str, number: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": True, **flags}


SPECIALS = [special(content, 400 + place) for place, content in enumerate(["<s>", "<|end|>", "<pad>", "<|im_end|>"])]


@pytest.mark.parametrize(
    ("config", "roles"),
    [
        ({}, {"bos": "<s>", "eos": "<|im_end|>", "pad": "<pad>"}),
        ({"bos_token": None, "eos_token": "<|end|>"}, {"eos": "<|end|>", "pad": "<pad>"}),
        ({"eos_token": {"content": "<|end|>", "lstrip": False}}, {"bos": "<s>", "eos": "<|end|>", "pad": "<pad>"}),
        ({"pad_token": "<missing>", "bos_token": ""}, {"eos": "<|im_end|>"}),
    ],
)
def test_the_roles_of_its_tokens_are_read_or_guessed(tmp_path: Path, config: Any, roles: dict[str, str]) -> None:
    for files in (companions(tmp_path, tokenizer_config=config), tmp_path):
        assert read_tokenizer(files).roles == roles


def test_the_config_goes_before_the_map_of_special_tokens(tmp_path: Path) -> None:
    tokens = {"bos_token": "<|end|>", "eos_token": "<|end|>"}

    files = companions(tmp_path, tokenizer_config={"eos_token": None}, special_tokens_map=tokens)

    assert read_tokenizer(files).roles == {"bos": "<|end|>", "pad": "<pad>"}


def test_the_frame_of_a_sentence_is_not_its_start_and_end(tmp_path: Path) -> None:
    assert read_tokenizer(written(tmp_path, "x.json", wordpiece())).roles == {"pad": "[PAD]"}


def test_a_token_becomes_special_when_the_config_gives_it_a_role(tmp_path: Path) -> None:
    written(tmp_path, "tokenizer.json", word_level())
    written(tmp_path, "tokenizer_config.json", {"eos_token": "!"})

    facts = read_tokenizer(tmp_path)

    assert (facts.roles, facts.special_tokens) == ({"eos": "!"}, {"!": 3})


@pytest.mark.parametrize(
    ("contents", "template"),
    [
        ({}, ""),
        ({"tokenizer_config": {"chat_template": "config"}}, "config"),
        ({"tokenizer_config": {"chat_template": "config"}, "chat_template": {"chat_template": "json"}}, "json"),
        ({"tokenizer_config": {"chat_template": "config"}, "chat_template": "jinja\n"}, "jinja\n"),
        (
            {
                "tokenizer_config": {
                    "chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "yes"}]
                }
            },
            "yes",
        ),
        ({"tokenizer_config": {"chat_template": [{"name": "rag", "template": "no"}]}}, ""),
    ],
)
def test_the_chat_template_is_read(tmp_path: Path, contents: dict[str, Any], template: str) -> None:
    facts = read_tokenizer(companions(tmp_path, **contents))

    assert facts.chat_template == template
    json.dumps(facts.to_dict())


def test_what_lies_beside_a_tokenizer_changes_neither_its_hash_nor_its_bytes(tmp_path: Path) -> None:
    alone = read_tokenizer(companions(tmp_path))

    beside = read_tokenizer(companions(tmp_path, tokenizer_config={"eos_token": "<|end|>"}, chat_template="jinja"))

    assert (beside.sha256, beside.json_bytes) == (alone.sha256, alone.json_bytes)


def test_a_pair_has_companions_too(tmp_path: Path) -> None:
    files = [*pair(tmp_path), written(tmp_path, "tokenizer_config.json", {"bos_token": "<|endoftext|>"})]

    assert read_tokenizer(files[::-1]).roles == {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer_config.json", "{", "tokenizer_config.json is not valid JSON"),
        ("tokenizer_config.json", "[" * 100_000, "tokenizer_config.json is not valid JSON"),
        ("special_tokens_map.json", "[]", "special_tokens_map.json is not a JSON object"),
        ("tokenizer_config.json", {"eos_token": 5}, "The eos_token in tokenizer_config.json is not a text"),
        ("chat_template.json", {"chat_template": 5}, "The chat_template in chat_template.json is not a text"),
        ("chat_template.jinja", b"\xff", "chat_template.jinja is not UTF-8 text"),
    ],
)
def test_a_broken_companion_is_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    written(tmp_path, name, content)

    with pytest.raises(JobError, match=message) as caught:
        read_tokenizer(companions(tmp_path))

    assert caught.value.advice


def test_nothing_that_a_config_names_is_run(tmp_path: Path) -> None:
    code = written(tmp_path, "evil.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil", "trust_remote_code": True}

    read_tokenizer([path for path in companions(tmp_path, tokenizer_config=config) if path != code])
    read_tokenizer(tmp_path)

    assert not (tmp_path / "ran").exists()


EDGES = [LARGEST_ID, LARGEST_INT32, (1 << 32) - 1, 1 << 32, 1 << 63, 1 << 64]
near_an_edge = st.builds(int.__add__, st.sampled_from(EDGES), st.integers(-3, 3))


@patiently
@given(near_an_edge | st.integers(1, 1 << 65))
def test_token_ids_can_never_wrap(number: int) -> None:
    json_bytes = json.dumps(changed(word_level(), model={"vocab": {"a": 0, "b": number}})).encode()

    if number > LARGEST_ID:
        with pytest.raises(JobError):
            facts_of(json_bytes)
    else:
        assert facts_of(json_bytes).max_id == number == np.array([number]).astype(np.int32)[0]


@patiently
@given(near_an_edge | st.integers(1, 1 << 65))
def test_no_id_in_a_vocabulary_of_two_files_can_wrap(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = pair(Path(folder), {"a": 0, "b": number}, "")

        if number > LARGEST_ID:
            with pytest.raises(JobError, match="largest id"):
                read_tokenizer(files)
        else:
            assert read_tokenizer(files).max_id == number == np.array([number]).astype(np.int32)[0]
