"""Small tokenizers, parts and shards for the tests of the engine, and the real ones where they are at hand."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizations.engine.batches import TextBatch
from tokenizations.engine.recipe import LoadedTokenizer
from tokenizations.engine.shard_encoding import ShardJob, encode_shard
from tokenizations.engine.spec import Spec
from tokenizations.engine.texts import Texts
from tokenizations.engine.tokenizer_files import load

SHARED = Path(__file__).resolve().parents[2] / "shared"
WORDS = "the cat sat on a mat , and 42 dogs don't run !! naïve 京都 привет \t--- x = y + z ; (ok) 日本"
CORPUS = [WORDS, *WORDS.split(), "Zwei Sätze. And another one, with more words than before…", "0123456789"] * 5

# Files and busy machines are slow; what is looked for here is wrong answers.
patiently = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared corpora are not here")


@functools.cache
def byte_bpe() -> bytes:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return bytes(tokenizer.to_str(), "utf-8")


@functools.cache
def wordpiece() -> bytes:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return bytes(tokenizer.to_str(), "utf-8")


@functools.cache
def word_level(unknown: str | None = "[UNK]") -> bytes:
    """Knows `a` and `b` only; without an unknown token it refuses any other word."""
    vocabulary = {"a": 0, "b": 1, "[UNK]": 2, "!": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown or "missing"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return bytes(tokenizer.to_str(), "utf-8")


def reference(json_bytes: bytes) -> Tokenizer:
    return load(json_bytes)


@functools.cache
def loaded(json_bytes: bytes, name: str = "tokenizers") -> LoadedTokenizer:
    """As the child has it; through a file, which is what the engine reads."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_bytes(json_bytes)
        return LoadedTokenizer.named(path, name)


def spec(**options: Any) -> Spec:
    return Spec.from_dict({"text_column": "text", "splits": ["train"]} | options)


def write_part(path: Path, texts: Sequence[str | None], rows_per_group: int = 1 << 20) -> Path:
    table = pa.table({"text": pa.array(texts, pa.string()), "number": range(len(texts))})
    pq.write_table(table, path, row_group_size=rows_per_group)
    return path


def batch_of(texts: Sequence[str | None]) -> TextBatch:
    sizes = np.array([len((text or "").encode()) for text in texts], np.int64)
    return TextBatch(Texts(pa.array(texts, pa.string())), np.arange(len(texts)), sizes, int(sizes.sum()))


def groups_in(part: Path) -> int:
    return int(pq.ParquetFile(part).metadata.num_row_groups)


def job(part: Path, out: Path, stem: str = "shard", **options: Any) -> ShardJob:
    rows = pq.ParquetFile(part).metadata.num_rows
    return ShardJob(spec(**options), part, range(groups_in(part)), "train", rows, 0, out, stem)


def run(shard: ShardJob, tokenizer: LoadedTokenizer) -> dict[str, Any]:
    """The last message's content."""
    *_, last = encode_shard(shard, tokenizer)
    done: dict[str, Any] = last["done"]
    return done


def rows_in(path: Path) -> list[dict[str, Any]]:
    with pa.ipc.open_stream(path) as stream:
        rows: list[dict[str, Any]] = stream.read_all().to_pylist()
    return rows


def ledger_in(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def shared_corpora() -> Iterator[tuple[str, list[str]]]:
    """Every text column of the shared corpora."""
    import json

    for name in ("tldr", "powershell_docs", "eips"):
        yield name, pq.read_table(SHARED / f"corpora/{name}.parquet")["text"].to_pylist()
    lines = (SHARED / "corpora/gsm8k_train.jsonl").read_text().splitlines()
    yield "gsm8k", [value for line in lines for value in json.loads(line).values()]
    yield "shakespeare", (SHARED / "corpora/tinyshakespeare.txt").read_text().splitlines()


def shared_tokenizers() -> list[Path]:
    return sorted(path for path in (SHARED / "tokenizers").glob("*") if path.suffix != ".md")
