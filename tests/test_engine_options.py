"""Every option changes what is written: none is only for show."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engine_samples import byte_bpe, job, rows_in, run, spec, wordpiece
from tokenizations.engine.recipe import LoadedTokenizer
from tokenizations.engine.shards import plan
from tokenizations.engine.spec import Spec

END = "<|end|>"
TEXTS = [
    "The cat sat on the mat, and the dog on the rug!",
    "See <b>this</b> at https://example.org/a?b=c or write to cat@example.org",
    "ﬁne\x07   naïve   wordssssss\n\n\n!!!!!!",
    f"a dog {END} and a cat",
    "x",
    "- - - - the cat - - -",
    None,
    "and 42 dogs ran down the long road to the sea while the cat sat and sat and sat",
]
CHATS = [[{"role": "user", "content": text or "nothing"}, {"role": "assistant", "content": "yes"}] for text in TEXTS]
TEMPLATE = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}|{% endfor %}"
CHAT = {"text_column": "chats", "chat": True, "chat_template": TEMPLATE, "special_tokens": False}
FILTERED = {"filter_mode": "standard", "filter_threshold": 0.2}
PADDED = {"max_length": 16, "padding": "longest", "pad_token": END}
PACKED = {"max_length": 8, "packing": "concatenate", "eos_token": END}

# The option, what it needs beside it, and a value that is not its default.
CHANGES: list[tuple[str, dict[str, Any], Any]] = [
    ("text_column", {}, "other"),
    ("first_rows", {}, 3),
    ("sample_rows", {}, 3),
    ("sample_seed", {"sample_rows": 3}, 4),
    ("template", {"text_column": ""}, "{text} {other}"),
    ("chat", {"text_column": "chats", "chat_template": TEMPLATE, "special_tokens": False}, True),
    ("chat_template", CHAT, "{{ messages[0].content }}"),
    ("unicode_form", {}, "nfkc"),
    ("remove_control_characters", {}, True),
    ("remove_html", {}, True),
    ("remove_urls", {}, True),
    ("remove_emails", {}, True),
    ("collapse_repeats", {}, True),
    ("whitespace", {}, "lines"),
    ("lowercase", {}, True),
    ("min_characters", {}, 5),
    ("special_tokens", {"special_tokens": True}, False),
    ("prepend_bos", {"bos_token": END}, True),
    ("append_eos", {"eos_token": END}, True),
    ("parse_special_tokens", {}, False),
    ("bos_token", {"prepend_bos": True, "bos_token": END}, "!"),
    ("eos_token", {"append_eos": True, "eos_token": END}, "!"),
    ("pad_token", PADDED, "!"),
    ("filter_mode", {"filter_threshold": 0.2}, "standard"),
    ("filter_threshold", FILTERED, 0.9),
    ("junk_characters", {"filter_threshold": 0.1}, "t"),
    ("remove_all_punctuation", {"filter_threshold": 0.2}, True),
    ("keep_tokens", FILTERED, ["-", " "]),
    ("min_tokens", {}, 4),
    ("max_tokens", {}, 12),
    ("max_length", {}, 6),
    ("truncation", {"max_length": 6}, "left"),
    ("stride", {"max_length": 6, "truncation": "windows"}, 2),
    ("packing", {"max_length": 32}, "best_fit"),
    ("last_block", PACKED, "drop"),
    ("padding", {"max_length": 16, "pad_token": END}, "max_length"),
    ("padding_side", PADDED, "left"),
    ("pad_to_multiple_of", {**PADDED, "max_length": None}, 64),
    ("attention_mask", {}, False),
    ("special_tokens_mask", {}, True),
    ("assistant_mask", CHAT, True),
    ("position_ids", PACKED, True),
    ("document_ids", PACKED, True),
    ("length", {}, True),
    ("source_row", {}, True),
]
# Without these there is nothing to choose between.
IDLE = {"prepend_bos": ["bos_token"], "append_eos": ["eos_token"], "padding": ["pad_token"], "chat": ["chat_template"]}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("part") / "part.parquet"
    columns = {"text": TEXTS, "other": [text and text[::-1] for text in TEXTS], "chats": CHATS}
    pq.write_table(pa.table(columns), path)
    return path


def written(part: Path, folder: Path, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns and rows."""
    folder.mkdir()
    path = folder / "tokenizer.json"
    path.write_bytes(wordpiece() if folder.name.startswith("special_tokens ") else byte_bpe())
    shard = job(part, folder, **options)
    run(shard, LoadedTokenizer.named(path, "tokenizers", shard.spec.parse_special_tokens))
    return rows_in(folder / "shard.arrow")


@pytest.mark.parametrize(("option", "beside", "value"), CHANGES, ids=[option for option, _, _ in CHANGES])
def test_it_changes_what_is_written(
    part: Path, tmp_path: Path, option: str, beside: dict[str, Any], value: Any
) -> None:
    before = {name: given for name, given in beside.items() if name not in IDLE.get(option, [])}
    if option == "chat":
        before = {"text_column": "text"}
    if option == "template":
        before = {}

    assert written(part, tmp_path / f"{option} before", before) != written(
        part, tmp_path / f"{option} after", {**beside, option: value}
    )


def test_splits_decide_which_shards_there_are() -> None:
    parts = [{"split": name, "name": name, "row_groups": [{"rows": 1, "bytes": {"text": 9}}]} for name in "ab"]

    assert [shard.split for shard in plan(parts, spec(splits=["b"]))] == ["b"]


def test_no_option_is_left_out() -> None:
    assert [option for option, _, _ in CHANGES] == [item.name for item in fields(Spec) if item.name != "splits"]
