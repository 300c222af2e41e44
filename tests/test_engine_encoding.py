import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datasets_app.errors import JobError
from tests.engine_samples import (
    byte_bpe,
    loaded,
    needs_shared,
    reference,
    shared_corpora,
    shared_tokenizers,
    spec,
    word_level,
    wordpiece,
)
from tokenizations.engine import choosing
from tokenizations.engine.batches import TextBatch
from tokenizations.engine.choosing import Candidates, choose_encoder, prepare, verdict_name
from tokenizations.engine.encoding import (
    Encoder,
    FastEncoder,
    HubEncoder,
    Ids,
    Offsets,
    load_encoder,
)
from tokenizations.engine.probe import probe_texts
from tokenizations.engine.rows import EncodedRows, Fate, encode_rows
from tokenizations.engine.special_tokens import frame_of
from tokenizations.engine.texts import Texts
from tokenizations.engine.tokenizer_files import load, read_tokenizer
from tokenizations.engine.vocabulary import read_or_make

SAMPLE_CHARACTERS = 80_000
A_MASK = spec(assistant_mask=True)


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(byte_bpe())
    return path


def batch(texts: Sequence[str | bytes | None]) -> TextBatch:
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    column = pa.array(raw, pa.binary()).view(pa.string())
    sizes = np.array([len(text or b"") for text in raw], np.int64)
    return TextBatch(Texts(column), np.arange(len(raw)), sizes, int(sizes.sum()))


def ids_by_row(ids: Ids, offsets: Offsets) -> list[list[int]]:
    return [ids[start:stop].tolist() for start, stop in pairwise(offsets)]


@pytest.mark.parametrize("name", ["fastokens", "tokenizers"])
def test_an_encoder_gives_flat_ids_and_offsets(tokenizer_file: Path, name: str) -> None:
    texts = ["the cat", "", "京都 naïve", "x" * 100]

    ids, offsets = load_encoder(tokenizer_file, name).encode(texts)

    assert ids.dtype == np.uint32
    assert offsets.dtype == np.int64
    assert ids_by_row(ids, offsets) == [reference(byte_bpe()).encode(text).ids for text in texts]


@pytest.mark.parametrize("name", ["fastokens", "tokenizers"])
def test_an_encoder_takes_no_texts_at_all(tokenizer_file: Path, name: str) -> None:
    ids, offsets = load_encoder(tokenizer_file, name).encode([])

    assert len(ids) == 0
    assert offsets.tolist() == [0]


def test_an_encoder_adds_no_special_tokens() -> None:
    ids, _ = HubEncoder(load(wordpiece())).encode(["the cat"])

    assert not set(ids.tolist()) & {2, 3}


def test_the_fast_encoder_is_chosen_where_it_agrees_with_the_reference(tokenizer_file: Path) -> None:
    choice = choose_encoder(Candidates(tokenizer_file), spec(), ["a row of the dataset"])

    assert choice.name == choice.encoder.name == "fastokens"
    assert "gave the same tokens as tokenizers on" in choice.reason


def test_a_template_or_a_truncation_does_not_stand_in_the_fast_encoders_way(tmp_path: Path) -> None:
    content = json.loads(byte_bpe())
    content["post_processor"] = {
        "type": "RobertaProcessing", "sep": ["<|end|>", 0], "cls": ["<|end|>", 0],
        "trim_offsets": True, "add_prefix_space": False,
    }  # fmt: skip
    content["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))

    assert choose_encoder(Candidates(path), spec()).name == "fastokens"


def test_the_reference_is_chosen_for_kinds_that_the_fast_one_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(wordpiece())

    choice = choose_encoder(Candidates(path), spec())

    assert choice.name == "tokenizers"
    assert choice.reason.startswith("fastokens cannot load this tokenizer: ")


def test_the_reference_is_chosen_where_the_fast_one_is_wrong_on_one_row(
    tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WrongOnCats(FastEncoder):
        def encode(self, texts: Sequence[str]) -> tuple[Ids, Offsets]:
            return super().encode([text.replace("a row with a cat", "dog") for text in texts])

    monkeypatch.setattr(choosing, "FastEncoder", WrongOnCats)

    assert choose_encoder(Candidates(tokenizer_file), spec(), ["no such row"]).name == "fastokens"
    choice = choose_encoder(Candidates(tokenizer_file), spec(), ["no such row", "a row with a cat"])
    assert choice.name == "tokenizers"
    assert choice.reason.startswith("fastokens gave other tokens on 1 of ")


def test_the_verdict_on_the_fixed_texts_is_kept_beside_the_tokenizer(tokenizer_file: Path) -> None:
    first = choose_encoder(Candidates(tokenizer_file), spec(), ["a row"])
    kept = tokenizer_file.with_name(verdict_name(parse_special_tokens=True))
    found = json.loads(kept.read_text())
    kept.write_text(json.dumps(found | {"wrong": 1}))

    assert found["wrong"] == 0
    assert f"{found['texts'] + 1:,} probe texts" in first.reason
    assert choose_encoder(Candidates(tokenizer_file), spec()).name == "tokenizers"


def test_a_verdict_that_cannot_be_read_is_made_again(tokenizer_file: Path) -> None:
    kept = tokenizer_file.with_name(verdict_name(parse_special_tokens=True))
    kept.write_text("{")

    assert choose_encoder(Candidates(tokenizer_file), spec()).name == "fastokens"
    assert json.loads(kept.read_text())["wrong"] == 0


def test_special_tokens_as_text_have_a_verdict_of_their_own(tokenizer_file: Path) -> None:
    choose_encoder(Candidates(tokenizer_file), spec())
    choose_encoder(Candidates(tokenizer_file, parse_special_tokens=False), spec(parse_special_tokens=False))

    names = {verdict_name(parse_special_tokens=parse) for parse in (True, False)}
    assert names <= {path.name for path in tokenizer_file.parent.iterdir()}
    assert len(names) == 2


@pytest.mark.parametrize("json_bytes", [byte_bpe(), wordpiece()])
def test_what_a_job_would_have_to_find_out_is_prepared(tmp_path: Path, json_bytes: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(json_bytes)
    prepare(path)
    prepared = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}

    choose_encoder(Candidates(path), spec())
    read_or_make(path, load(json_bytes))

    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == prepared


def test_the_probe_has_long_documents_all_planes_and_special_tokens() -> None:
    texts = probe_texts(["<s>"])
    characters = set("".join(texts))

    assert max(map(len, texts)) > 200_000
    assert {ord(character) >> 16 for character in characters} == set(range(17))
    assert {"", "<s>", "a<s>b"} <= set(texts)


def test_an_unknown_encoder_is_refused(tokenizer_file: Path) -> None:
    with pytest.raises(JobError, match="no encoder called 'tiktoken'"):
        load_encoder(tokenizer_file, "tiktoken")


def test_the_frame_is_what_the_template_puts_around_a_row() -> None:
    frame = frame_of(load(wordpiece()))

    assert (frame.before.tolist(), frame.after.tolist()) == ([2], [3])
    assert len(frame_of(load(byte_bpe()))) == 0


def test_a_template_that_repeats_the_row_is_refused() -> None:
    from tokenizers import processors

    tokenizer = load(wordpiece())
    tokenizer.post_processor = processors.TemplateProcessing(single="$A [SEP] $A", special_tokens=[("[SEP]", 3)])

    with pytest.raises(JobError, match="does more than put special tokens around"):
        frame_of(tokenizer)


def test_the_frame_is_found_where_most_texts_are_refused() -> None:
    from tokenizers import processors

    tokenizer = load(word_level(unknown=None))
    tokenizer.post_processor = processors.TemplateProcessing(single="! $A !", special_tokens=[("!", 3)])

    frame = frame_of(tokenizer)

    assert (frame.before.tolist(), frame.after.tolist()) == ([3], [3])


def fates(rows: EncodedRows) -> list[Fate]:
    return [Fate(fate) for fate in rows.fates]


def test_null_and_empty_rows_are_empty_and_white_space_is_not() -> None:
    rows = encode_rows(loaded(byte_bpe(), "fastokens").encoder, batch([None, "", " ", "\n", "the"]))

    assert fates(rows) == [Fate.EMPTY, Fate.EMPTY, Fate.KEPT, Fate.KEPT, Fate.KEPT]
    assert np.diff(rows.offsets)[:2].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["fastokens", "tokenizers"])
def test_a_row_that_is_not_utf8_does_not_take_the_others_with_it(name: str) -> None:
    lone_surrogate = b"a\xed\xa0\x80b"

    rows = encode_rows(loaded(byte_bpe(), name).encoder, batch(["the cat", lone_surrogate, b"\xff", "on"]))

    assert fates(rows) == [Fate.KEPT, Fate.NOT_UTF8, Fate.NOT_UTF8, Fate.KEPT]
    assert ids_by_row(rows.ids, rows.offsets)[3] == reference(byte_bpe()).encode("on").ids


def test_a_row_that_the_encoder_refuses_does_not_take_the_others_with_it() -> None:
    texts = ["a"] * 40 + ["unheard of"] + ["b a"] * 30 + ["no"]

    rows = encode_rows(loaded(word_level(unknown=None)).encoder, batch(texts))

    assert [row for row, fate in enumerate(rows.fates) if fate == Fate.REFUSED] == [40, 71]
    assert ids_by_row(rows.ids, rows.offsets) == [[0]] * 40 + [[]] + [[1, 0]] * 30 + [[]]


def test_the_reference_refuses_rows_that_would_eat_the_memory() -> None:
    encoder = HubEncoder(load(byte_bpe()), row_bytes=100)

    rows = encode_rows(encoder, batch(["x" * 100, "x" * 101]))

    assert fates(rows) == [Fate.KEPT, Fate.TOO_LONG]


def test_the_fast_encoder_takes_rows_of_any_size(tokenizer_file: Path) -> None:
    choices = [choose_encoder(Candidates(tokenizer_file, row_bytes=100), chosen) for chosen in (spec(), A_MASK)]

    assert [(choice.name, choice.encoder.row_bytes) for choice in choices] == [("fastokens", None), ("tokenizers", 100)]


def test_a_batch_of_nothing_but_empty_rows_is_encoded_too() -> None:
    rows = encode_rows(loaded(byte_bpe(), "fastokens").encoder, batch([None, ""]))

    assert rows.offsets.tolist() == [0, 0, 0]


def sampled(texts: list[str]) -> list[str]:
    step = max(sum(map(len, texts)) // SAMPLE_CHARACTERS, 1)
    return texts[:: min(step, len(texts))]


@needs_shared
@pytest.mark.parametrize("path", shared_tokenizers(), ids=lambda path: path.stem)
def test_real_tokenizers_give_the_ids_of_the_reference_on_real_text(path: Path, tmp_path: Path) -> None:
    facts = read_tokenizer(path)
    (tmp_path / "tokenizer.json").write_bytes(facts.json_bytes)
    encoder: Encoder = choose_encoder(Candidates(tmp_path / "tokenizer.json"), spec()).encoder
    expected = load(facts.json_bytes)

    for _, texts in shared_corpora():
        some = sampled(texts)
        found = ids_by_row(*encoder.encode(some))
        assert found == [row.ids for row in expected.encode_batch(some, add_special_tokens=False)]

    assert encoder.name == ("fastokens" if facts.kind == "BPE" else "tokenizers")
