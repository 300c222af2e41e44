"""A dataset and two tokenizers to try everything with, made without a network.

The text is the source and the docstrings of the running interpreter's own standard library.
"""

import ast
import hashlib
import io
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Tests and packages of others, which not every interpreter has, and what is generated for one machine.
SKIPPED_FOLDERS = {"__pycache__", "dist-packages", "idlelib", "site-packages", "test", "tests"}
SKIPPED_PREFIXES = ("config-", "_sysconfigdata")
TEST_SHARE = 10  # one file in so many


class Document(NamedTuple):
    split: str
    path: str
    text: str


def sample_documents(root: Path | None = None) -> Iterator[Document]:
    """Every module, top-level definition and docstring, in the same order each time; `root` is a stand-in for tests."""
    root = root or Path(sysconfig.get_path("stdlib"))
    for path in sorted(_modules(root)):
        name = path.relative_to(root).as_posix()
        source = _source_of(path)
        if source:
            split = _split_of(name)
            for suffix, text in _texts(source):
                yield Document(split, name + suffix, text)
