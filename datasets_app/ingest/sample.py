"""A dataset and two tokenizers to try everything with, made without a network.

The text is the source and the docstrings of the running interpreter's own standard library.
"""

import ast
import hashlib
import json
import sysconfig
import tokenize
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.training import train_byte_bpe, train_wordpiece

# Tests and packages of others, which not every interpreter has, and what is generated for one machine.
SKIPPED_FOLDERS = {"__pycache__", "dist-packages", "idlelib", "site-packages", "test", "tests"}
SKIPPED_PREFIXES = ("config-", "_sysconfigdata")
TEST_ONE_IN = 10
TRAINED_ON_ONE_IN = 2  # modules
SPLITS = ("train", "test")


class Recipe(NamedTuple):
    name: str
    file_name: str
    train: Callable[[Sequence[str], int], bytes]
    vocab_size: int


RECIPES = (
    Recipe("Sample byte-level BPE", "byte-bpe-16k.json", train_byte_bpe, 16 << 10),
    Recipe("Sample WordPiece", "wordpiece-12k.json", train_wordpiece, 12 << 10),
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Document(NamedTuple):
    split: str  # "train" or "test"; all of one file are in the same
    path: str
    text: str


def sample_documents(root: Path | None = None) -> Iterator[Document]:
    """Every module, top-level definition and docstring below `root`, by default the standard library's.

    The same interpreter gives the same documents in the same order.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if _is_wanted(inside):
            name = inside.as_posix()
            for suffix, text in _texts(path):
                yield Document(_split_of(name), f"{name}{suffix}", text)


def write_sample(folder: Path) -> Iterator[dict[str, Any]]:
    """Write the documents as JSON lines, a file for each split, and the tokenizers trained on some of them.

    Yields messages of a child process; the last one names the files. Takes some 10 s.
    """
    yield {"stage": "Reading"}
    files = _write_documents(folder)
    texts = list(_training_texts(folder))
    tokenizers = []
    for recipe in RECIPES:
        yield {"stage": "Training Tokenizers"}
        (folder / recipe.file_name).write_bytes(recipe.train(texts, recipe.vocab_size))
        tokenizers.append({"name": recipe.name, "file": recipe.file_name})
    yield {"done": {"files": files, "tokenizers": tokenizers}}


def _write_documents(folder: Path) -> list[dict[str, Any]]:
    rows = dict.fromkeys(SPLITS, 0)
    with ExitStack() as stack:
        names = {split: f"{split}.jsonl" for split in SPLITS}
        streams = {split: stack.enter_context((folder / name).open("wb")) for split, name in names.items()}
        for document in sample_documents():
            line = json.dumps({"path": document.path, "text": document.text}, ensure_ascii=False)
            streams[document.split].write(line.encode() + b"\n")
            rows[document.split] += 1
    return [
        {
            "split": split,
            "name": name,
            "kind": Kind.JSONL,
            "rows": rows[split],
            "bytes": (folder / name).stat().st_size,
        }
        for split, name in names.items()
    ]


def _training_texts(folder: Path) -> Iterator[str]:
    with (folder / "train.jsonl").open("rb") as stream:
        documents = map(json.loads, stream)
        modules = (document["text"] for document in documents if "#" not in document["path"])
        yield from islice(modules, None, None, TRAINED_ON_ONE_IN)


def _is_wanted(inside: Path) -> bool:
    return SKIPPED_FOLDERS.isdisjoint(inside.parts) and not any(
        part.startswith(SKIPPED_PREFIXES) for part in inside.parts
    )


def _split_of(name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return "train" if int.from_bytes(digest[:8]) % TEST_ONE_IN else "test"


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with tokenize.open(path) as file:
            source = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library has its own share of invalid escapes
            module = ast.parse(source)
    except (SyntaxError, ValueError, OSError):
        return  # some files of the library are broken on purpose
    if not source.strip():
        return
    yield "", source
    lines = source.split("\n")
    for node in module.body:
        if isinstance(node, DEFINITIONS):
            yield f"#{node.name}", "\n".join(lines[node.lineno - 1 : node.end_lineno])
    yield from _docstrings(module, "")


def _docstrings(parent: ast.Module | Definition, name: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(parent)
    if text:
        yield f"#{name}.__doc__".replace("#.", "#"), text
    for node in parent.body:
        if isinstance(node, DEFINITIONS):
            yield from _docstrings(node, f"{name}.{node.name}".lstrip("."))
