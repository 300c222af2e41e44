"""The proof that the tokens are right: the same rows, id by id, as `datasets.map` with transformers' fast tokenizer."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.engine_samples import (
    CORPUS,
    SHARED,
    byte_bpe,
    job,
    rows_in,
    run,
    shared_corpora,
    shared_tokenizers,
    wordpiece,
)
from tokenizations.engine.choosing import Candidates, choose_encoder
from tokenizations.engine.probe import probe_texts
from tokenizations.engine.recipe import LoadedTokenizer
from tokenizations.engine.special_tokens import frame_of
from tokenizations.engine.tokenizer_files import load, read_tokenizer

HUGE = 1 << 20
# Of each corpus; the whole of it is compared by `python -m bench.engine --check`.
CHARACTERS, CHARACTERS_OF_OTHERS = 100_000, 10_000
PADS = ("<|pad|>", "<|padding|>", "<pad>", "[PAD]", "<|endoftext|>", "<|end|>")


@functools.cache
def unigram() -> bytes:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return bytes(tokenizer.to_str(), "utf-8")


GENERATED: dict[str, Callable[[], bytes]] = {"byte_bpe": byte_bpe, "wordpiece": wordpiece, "unigram": unigram}
TOKENIZERS = [*GENERATED, *(path.name for path in shared_tokenizers())]


@functools.cache
def json_of(name: str) -> bytes:
    return GENERATED[name]() if name in GENERATED else read_tokenizer(SHARED / "tokenizers" / name).json_bytes


@functools.cache
def corpora(characters: int) -> list[str]:
    """A little of everything: real text spread over each corpus, all of Unicode, long documents, controls."""
    texts = [text for text in probe_texts() if text]
    for _, rows in shared_corpora() if SHARED.exists() else ():
        whole = [row for row in rows if row]
        step = max(sum(map(len, whole)) // characters, 1)
        texts += whole[::step]
        texts.append(max(whole, key=len)[:characters])
    return [*texts, *CORPUS]


def texts_for(tokenizer: Tokenizer, characters: int) -> list[str]:
    special = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    lone = [text for token in special[:10] for text in (token, f"a{token} b", token * 3, token.upper())]
    return [*corpora(characters), *lone]


# What our options are called there.
SPECS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "without special tokens": ({"special_tokens": False}, {"add_special_tokens": False}),
    "cut on the right": ({"max_length": 32}, {"max_length": 32, "truncation": True}),
    "cut on the left": (
        {"max_length": 32, "truncation": "left"},
        {"max_length": 32, "truncation": True, "truncation_side": "left"},
    ),
    "windows": (
        {"max_length": 32, "truncation": "windows", "stride": 8},
        {"max_length": 32, "truncation": True, "stride": 8, "return_overflowing_tokens": True},
    ),
    "windows side by side": (
        {"max_length": 512, "truncation": "windows"},
        {"max_length": 512, "truncation": True, "return_overflowing_tokens": True},
    ),
    "padded to a length": (
        {"max_length": 48, "padding": "max_length", "special_tokens_mask": True},
        {"max_length": 48, "truncation": True, "padding": "max_length", "return_special_tokens_mask": True},
    ),
    "padded to the longest on the left": (
        {"max_length": 64, "padding": "longest", "padding_side": "left"},
        {"max_length": 64, "truncation": True, "padding": "longest", "padding_side": "left"},
    ),
    "padded to a multiple": (
        {"max_length": 56, "padding": "longest", "pad_to_multiple_of": 8},
        {"max_length": 56, "truncation": True, "padding": "longest", "pad_to_multiple_of": 8},
    ),
    "padded windows": (
        {"max_length": 32, "truncation": "windows", "stride": 4, "padding": "longest"},
        {"max_length": 32, "truncation": True, "stride": 4, "return_overflowing_tokens": True, "padding": "longest"},
    ),
    "special tokens as text": ({"parse_special_tokens": False}, {"split_special_tokens": True}),
    "special tokens marked": ({"special_tokens_mask": True}, {"return_special_tokens_mask": True}),
}
COLUMNS = ("input_ids", "attention_mask", "special_tokens_mask")


@pytest.mark.parametrize("options", SPECS.values(), ids=SPECS.keys())
@pytest.mark.parametrize("name", TOKENIZERS)
def test_rows_are_those_of_datasets_map(
    name: str, options: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    ours, theirs = options
    tokenizer = load(json_of(name))
    pad = next(token for token in PADS if tokenizer.token_to_id(token) is not None)
    texts = texts_for(tokenizer, CHARACTERS if not ours else CHARACTERS_OF_OTHERS)

    found = tokenized(name, texts, ours | {"pad_token": pad if "padding" in ours else ""}, tmp_path)

    for row, (mine, reference) in enumerate(zip(found, mapped(name, texts, theirs, pad), strict=True)):
        assert mine == {column: reference[column] for column in mine}, f"row {row}"


def tokenized(name: str, texts: list[str], options: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """By the engine, with the null and empty rows that it leaves out."""
    path = folder / "tokenizer.json"
    path.write_bytes(json_of(name))
    rows: list[str | None] = [None, "", *texts, ""]
    part = folder / "part.parquet"
    pq.write_table(datasets.Dataset.from_dict({"text": rows}).data.table, part, row_group_size=700)
    shard = job(part, folder, **options)
    choice = choose_encoder(Candidates(path, shard.spec.parse_special_tokens), shard.spec)
    run(shard, LoadedTokenizer(path, choice.encoder, choice.reference))
    yield from rows_in(folder / "shard.arrow")


def mapped(name: str, texts: list[str], options: dict[str, Any], pad: str) -> datasets.Dataset:
    sides = {side: options[side] for side in ("truncation_side", "padding_side") if side in options}
    call = {key: value for key, value in options.items() if key not in sides}
    reference = PreTrainedTokenizerFast(
        tokenizer_object=load(json_of(name)), pad_token=pad, model_max_length=HUGE, **sides
    )

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        encoded = reference(batch["text"], **call)
        return {column: encoded[column] for column in COLUMNS if column in encoded}

    rows = datasets.Dataset.from_dict({"text": texts})
    return rows.map(encode, batched=True, remove_columns=["text"], new_fingerprint="none", keep_in_memory=True)


def test_the_frame_is_that_of_transformers() -> None:
    for name in TOKENIZERS:
        tokenizer = load(json_of(name))
        assert len(frame_of(tokenizer)) == tokenizer.num_special_tokens_to_add(False), name
