"""What a command begins with before Django is loaded."""

from pathlib import Path
from typing import Any

import pytest

from datasets_app import children
from datasets_app.management import early


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR = tmp_path
    return tmp_path


def test_a_name_on_the_command_line_means_the_tokenizer_that_it_meant_before(settings: Any) -> None:
    early.remember("small", Path("/a/tokenizer.json"))
    early.remember("large", Path("/b/tokenizer.json"))
    early.remember("small", Path("/c/tokenizer.json"))

    said = early.advance(["prose", "small", "--here"])

    assert said == {"preload": "/c/tokenizer.json", "row_bytes": settings.REFERENCE_ROW_BYTES}


@pytest.mark.parametrize("content", [None, "{", "[]", "3"])
def test_nothing_is_loaded_where_nothing_is_known(var: Path, content: str | None) -> None:
    if content is not None:
        (var / "tokenizers-by-name.json").write_text(content)

    assert early.advance(["prose", "small", "--here"]) is None


def test_only_the_newest_names_are_kept() -> None:
    for number in range(early.NAMES_KEPT + 1):
        early.remember(f"name {number}", Path(f"/{number}/tokenizer.json"))

    assert early.advance(["name 0"]) is None
    assert early.advance(["name 1"]) is not None


@pytest.mark.parametrize(("words", "readers"), [([], 1), (["--detach"], 0)])
def test_an_import_finds_its_reader_of_files_started(settings: Any, words: list[str], readers: int) -> None:
    settings.CHILD_MEMORY_BYTES = 3 << 30  # so that it is nobody else's
    key = (early.READER, settings.CHILD_MEMORY_BYTES)

    early.begin(["manage.py", "import_dataset", "prose", "a.csv", *words])

    assert (key in children._early) == bool(readers)
    children.end_early()
