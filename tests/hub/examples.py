"""Repositories to try everything with: small, and made here."""

import gzip
import io
import json
from collections.abc import Callable

import pyarrow as pa
from pyarrow import parquet

from tests.hub.faults import Slow, Status
from tests.hub.server import Hub

SENTENCE = "the quick brown fox jumps over a lazy dog while seven small boats sail by"
WORDS = SENTENCE.split()
TOKEN_READER, TOKEN_STRANGER = "hf_exampleReaderToken0001", "hf_exampleStrangerToken02"
CARD = "---\nlicense: apache-2.0\n{head}---\n# Stories\n\nShort **stories** for trying things out.\n"


def text(row: int) -> str:
    return " ".join(WORDS[(row * 7 + place * place) % len(WORDS)] for place in range(20 + row % 30))


def rows(count: int, first: int = 0) -> list[dict[str, object]]:
    return [{"id": row, "text": text(row)} for row in range(first, first + count)]


def parquet_bytes(count: int, first: int = 0) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows(count, first)), out)
    return out.getvalue()


def jsonl_bytes(count: int, first: int = 0) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows(count, first)).encode()


def csv_bytes(count: int, first: int = 0) -> bytes:
    return "".join(["id,text\n", *(f"{row['id']},{row['text']}\n" for row in rows(count, first))]).encode()


def card(head: str = "") -> bytes:
    return CARD.format(head=head).encode()


def tokenizer_json() -> bytes:
    """A word-level tokenizer over the words of the examples."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(["[UNK]", *WORDS])}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return bytes(tokenizer.to_str(), "utf-8")


CONFIGURATIONS = """configs:
- config_name: english
  data_dir: en
  default: true
- config_name: german
  data_files:
  - split: train
    path: de/train-*.csv
  - split: test
    path: de/test.csv
"""
INFO = """dataset_info:
  features:
  - name: id
    dtype: int64
  - name: text
    dtype: string
  splits:
  - name: train
    num_examples: 2000
    num_bytes: 400000
  - name: test
    num_examples: 200
    num_bytes: 40000
"""


def add_examples(hub: Hub) -> list[tuple[str, str]]:
    """Fills a Hub; returns the names with what each is for."""
    hub.add_token(TOKEN_READER, "lab/gated", "lab/private", name="reader")
    hub.add_token(TOKEN_STRANGER, name="stranger")
    return [(name, what) for name, what, add in EXAMPLES if add(hub, name) is not None]


def _add_parquet(hub: Hub, name: str) -> object:
    files = {"README.md": card(INFO), "data/test-00000-of-00001.parquet": parquet_bytes(200, 2000)}
    for part in range(2):
        files[f"data/train-0000{part}-of-00002.parquet"] = parquet_bytes(1000, 1000 * part)
    repository = hub.add(name, files)
    files["data/test-00000-of-00001.parquet"] = parquet_bytes(100, 5000)
    repository.commit(files, branch="next", tag="v2")
    return repository


def _add_configurations(hub: Hub, name: str) -> object:
    german = {"de/train-1.csv": csv_bytes(300), "de/train-2.csv": csv_bytes(300, 300), "de/test.csv": csv_bytes(50)}
    english = {"en/train.csv": csv_bytes(500), "en/test.csv": csv_bytes(50)}
    return hub.add(name, {"README.md": card(CONFIGURATIONS), **german, **english})


def _add_packed(hub: Hub, name: str) -> object:
    return hub.add(name, {"README.md": card(), "train.jsonl.gz": gzip.compress(jsonl_bytes(2000), mtime=0)})


def _add_busy(hub: Hub, name: str) -> object:
    repository = hub.add(name, {"train.csv": csv_bytes(1000)})
    hub.fault(f"{name}/resolve/{repository.names['main']}/train.csv", None)
    hub.fault(f"{name}/resolve/{repository.names['main']}/train.csv", Status(429, {"Retry-After": "20"}))
    return repository


def _add_slow(hub: Hub, name: str) -> object:
    hub.fault("/slow-train.jsonl", Slow(0.02, 1 << 16), times=1_000_000)
    return hub.add(name, {"README.md": card(), "slow-train.jsonl": jsonl_bytes(2000) * 100})


def _add_gated(hub: Hub, name: str) -> object:
    return hub.add(name, {"README.md": card(), "train.parquet": parquet_bytes(100)}, gated="manual")


def _add_private(hub: Hub, name: str) -> object:
    return hub.add(name, {"train.csv": csv_bytes(100)}, private=True)


def _add_script(hub: Hub, name: str) -> object:
    return hub.add(name, {"README.md": card(), "script.py": b"import os\n"})


def _add_pictures(hub: Hub, name: str) -> object:
    return hub.add(name, {f"train/{number}.png": b"\x89PNG" for number in range(3)})


def _add_tokenizer(hub: Hub, name: str) -> object:
    config = json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}).encode()
    files = {"tokenizer.json": tokenizer_json(), "tokenizer_config.json": config, "README.md": card()}
    return hub.add(name, {**files, "model.safetensors": bytes(10_000)}, kind="model")


EXAMPLES: list[tuple[str, str, Callable[[Hub, str], object]]] = [
    ("lab/stories", "Parquet, two splits, a second revision (branch next, tag v2)", _add_parquet),
    ("lab/languages", "CSV in two configurations: one is a folder, one has patterns", _add_configurations),
    ("lab/packed", "JSON lines, packed with gzip", _add_packed),
    ("lab/busy", "after its preview the first download is answered with 429 and Retry-After: 20", _add_busy),
    ("lab/slow", "40 MB that come at some 3 MB/s, to watch, pause and cancel", _add_slow),
    ("lab/gated", f"gated; {TOKEN_READER} has consent, {TOKEN_STRANGER} has not", _add_gated),
    ("lab/private", f"private; {TOKEN_READER} may read it", _add_private),
    ("lab/script", "nothing but a dataset script, which is refused", _add_script),
    ("lab/pictures", "nothing but pictures, which are refused", _add_pictures),
    ("lab/words", "a tokenizer (a model repository)", _add_tokenizer),
]
