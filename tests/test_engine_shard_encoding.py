import errno
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.children import ROOT, Child, start_early
from datasets_app.errors import JobError
from tests.engine_samples import (
    byte_bpe,
    groups_in,
    job,
    ledger_in,
    loaded,
    patiently,
    reference,
    rows_in,
    run,
    spec,
    word_level,
    wordpiece,
    write_part,
)
from tokenizations.engine import batches, shard_files
from tokenizations.engine.encoding import HUB_ROW_BYTES
from tokenizations.engine.selection import Selection
from tokenizations.engine.shard_encoding import encode_shard
from tokenizations.engine.statistics import Statistics
from tokenizations.engine.texts import TextSource

TEXTS = ["the cat sat on a mat", "", None, "naïve 京都 привет", "!! -- !!", "and 42 dogs"]


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return write_part(tmp_path / "part-00000.parquet", TEXTS, rows_per_group=2)


ENGINE = "tokenizations.engine.child"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child(ENGINE, memory_limit_bytes=4 << 30)
    yield child
    child.close()


def test_it_writes_the_ids_of_every_row_in_order(part: Path, tmp_path: Path) -> None:
    run(job(part, tmp_path), loaded(byte_bpe(), "fastokens"))

    expected = [reference(byte_bpe()).encode(text).ids for text in TEXTS if text]
    rows = rows_in(tmp_path / "shard.arrow")
    assert [row["input_ids"] for row in rows] == expected
    assert [row["attention_mask"] for row in rows] == [[1] * len(ids) for ids in expected]


@pytest.mark.parametrize("max_length", [None, 3, 4, 7, 100])
@pytest.mark.parametrize("special_tokens", [True, False])
def test_rows_are_cut_and_framed_as_the_reference_does_it(
    part: Path, tmp_path: Path, max_length: int | None, special_tokens: bool
) -> None:
    run(job(part, tmp_path, max_length=max_length, special_tokens=special_tokens), loaded(wordpiece()))

    expected = reference(wordpiece())
    if max_length:
        expected.enable_truncation(max_length)
    rows = rows_in(tmp_path / "shard.arrow")
    assert [row["input_ids"] for row in rows] == [
        expected.encode(text, add_special_tokens=special_tokens).ids for text in TEXTS if text
    ]


def test_the_mask_is_left_out_on_demand(part: Path, tmp_path: Path) -> None:
    run(job(part, tmp_path, attention_mask=False), loaded(byte_bpe()))

    assert rows_in(tmp_path / "shard.arrow")[0].keys() == {"input_ids"}


def test_the_ledger_says_what_became_of_every_row(part: Path, tmp_path: Path) -> None:
    shard = job(part, tmp_path, filter_mode="standard", max_length=2)
    moved = replace(shard, row_groups=range(1, 3), first_row=2)

    run(moved, loaded(byte_bpe()))

    ledger = ledger_in(tmp_path / "shard.ledger.parquet")
    assert [row["source_row"] for row in ledger] == [2, 3, 4, 5]
    assert [row["reason"] for row in ledger] == ["empty", None, "junk", None]
    assert [row["kept"] for row in ledger] == [False, True, False, True]
    assert [row["junk"] for row in ledger][::2] == [None, 1.0]
    assert ledger[3]["tokens"] == len(reference(byte_bpe()).encode("and 42 dogs").ids) > 2


def test_without_a_filter_no_junk_ratio_is_claimed(part: Path, tmp_path: Path) -> None:
    run(job(part, tmp_path), loaded(byte_bpe()))

    assert {row["junk"] for row in ledger_in(tmp_path / "shard.ledger.parquet")} == {None}


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, []), (0.51, ["x !"])])
def test_a_row_at_the_threshold_is_dropped(tmp_path: Path, threshold: float, kept: list[str]) -> None:
    part = write_part(tmp_path / "part.parquet", ["a !"])

    done = run(job(part, tmp_path, filter_mode="standard", filter_threshold=threshold), loaded(word_level()))

    assert done["counts"]["kept"] == len(kept)


@pytest.mark.parametrize(
    ("mode", "kept"),
    [("none", 6), ("minimal", 5), ("conservative", 4), ("standard", 3), ("aggressive", 2), ("strict", 1)],
)
def test_every_filter_mode_drops_its_kind_of_row(tmp_path: Path, mode: str, kept: int) -> None:
    vocabulary = {"\x07": 0, "\u2003": 1, "!": 2, "x.": 3, "end.": 4, "good": 5}
    part = write_part(tmp_path / "part.parquet", list(vocabulary))

    done = run(job(part, tmp_path, filter_mode=mode, filter_threshold=1), loaded(one_token_a_row(tuple(vocabulary))))

    assert (done["counts"]["kept"], done["counts"]["filtered"]) == (kept, 6 - kept)
    assert done["counts"]["reasons"] == ({"junk": 6 - kept} if kept < 6 else {})


def one_token_a_row(texts: Sequence[str]) -> bytes:
    from tokenizers import Tokenizer, models

    vocabulary = {text: number for number, text in enumerate(texts)}
    return bytes(Tokenizer(models.WordLevel(vocabulary, unk_token=texts[0])).to_str(), "utf-8")


def test_a_row_without_tokens_is_kept_and_not_junk(tmp_path: Path) -> None:
    part = write_part(tmp_path / "part.parquet", ["\x00", "the cat"])

    run(job(part, tmp_path, filter_mode="strict", max_length=4), loaded(wordpiece()))

    assert rows_in(tmp_path / "shard.arrow")[0]["input_ids"] == [2, 3]


rows_of_text = st.lists(st.none() | st.text(max_size=20) | st.sampled_from(["a", "b a", "!!", "\x00"]), max_size=30)


@patiently
@given(
    texts=rows_of_text,
    max_length=st.sampled_from([None, 3, 6]),
    mode=st.sampled_from(["none", "minimal", "standard", "strict"]),
    tokenizer=st.sampled_from([byte_bpe(), wordpiece(), word_level(None)]),
)
def test_every_row_is_kept_filtered_or_errored_at_any_time(
    texts: list[str | None],
    max_length: int | None,
    mode: str,
    tokenizer: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("shard")
    part = write_part(folder / "part.parquet", texts, rows_per_group=7)

    messages = list(encode_shard(job(part, folder, max_length=max_length, filter_mode=mode), loaded(tokenizer)))

    counts = [message["counts"] for message in messages if "counts" in message]
    done = messages[-1]["done"]
    assert all(one["kept"] + one["filtered"] + one["errored"] == one["processed"] for one in counts)
    assert all(before["processed"] < after["processed"] for before, after in pairwise(counts))
    assert (counts or [done["counts"]])[-1] == done["counts"]
    assert done["counts"]["processed"] == len(texts) == len(ledger_in(folder / "shard.ledger.parquet"))
    assert done["counts"]["bytes"] == sum(len((text or "").encode()) for text in texts)
    assert done["counts"]["sequences"] == done["counts"]["kept"] == len(rows_in(folder / "shard.arrow"))
    assert sum(done["counts"]["reasons"].values()) == done["counts"]["filtered"] + done["counts"]["errored"]


@patiently
@given(texts=rows_of_text)
def test_the_same_input_gives_the_same_bytes(texts: list[str | None], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("shard")
    part = write_part(folder / "part.parquet", texts, rows_per_group=7)
    shards = [job(part, folder, stem, filter_mode="standard", max_length=5) for stem in ("one", "two")]

    first, second = (run(shard, loaded(byte_bpe())) for shard in shards)

    assert [file["sha256"] for file in first["files"]] == [file["sha256"] for file in second["files"]]


def test_the_cut_into_batches_does_not_change_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = write_part(tmp_path / "part.parquet", TEXTS * 10)
    whole = run(job(part, tmp_path, "whole"), loaded(byte_bpe()))
    monkeypatch.setattr(batches, "BATCH_ROWS", 7)

    messages = list(encode_shard(job(part, tmp_path, "cut"), loaded(byte_bpe())))

    assert sum("counts" in message for message in messages) == 9
    assert messages[-1]["done"]["counts"] == whole["counts"]
    assert rows_in(tmp_path / "cut.arrow") == rows_in(tmp_path / "whole.arrow")


def test_a_batch_holds_as_much_text_as_fits_or_one_row(tmp_path: Path) -> None:
    part = write_part(tmp_path / "part.parquet", ["x" * 40, "x" * 60, "x", "x" * 500, None, "x" * 100])

    everything = Selection(spec(), "train", 7)
    found = list(batches.Part(part).batches(range(1), TextSource(spec()), everything, 0, batch_bytes=100))

    assert [len(batch) for batch in found] == [2, 1, 1, 2]


def test_the_probe_takes_rows_from_all_over_the_group_and_the_longest(tmp_path: Path) -> None:
    texts = [f"row {number}" for number in range(5000)]
    texts[4321] = "long " * 1000
    part = batches.Part(write_part(tmp_path / "part.parquet", [*texts, None]))

    rows = batches.probe_rows(part, 0, TextSource(spec()))

    assert 400 < len(rows) < 600
    assert {texts[0], texts[4321]} <= set(rows)
    assert batches.probe_rows(batches.Part(write_part(tmp_path / "x.parquet", [None])), 0, TextSource(spec())) == []


def test_the_files_are_as_reported(part: Path, tmp_path: Path) -> None:
    done = run(job(part, tmp_path), loaded(byte_bpe()))

    assert [(file["role"], file["name"], file["rows"]) for file in done["files"]] == [
        ("data", "shard.arrow", 4),
        ("ledger", "shard.ledger.parquet", 6),
        ("statistics", "shard.stats.parquet", 6),
    ]
    for file in done["files"]:
        content = (tmp_path / file["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert Statistics.read(tmp_path / "shard.stats.parquet").lengths.rows == 4


def test_it_goes_through_the_stages(part: Path, tmp_path: Path) -> None:
    stages = [
        message["stage"] for message in encode_shard(job(part, tmp_path), loaded(byte_bpe())) if "stage" in message
    ]

    assert stages == ["Loading Dataset", "Analyzing Schema", "Tokenizing", "Saving"]


@pytest.mark.parametrize("column", ["number", "body"])
def test_a_column_without_text_is_refused(part: Path, tmp_path: Path, column: str) -> None:
    with pytest.raises(JobError, match=f"part-00000.parquet has no text column called '{column}'"):
        run(job(part, tmp_path, text_column=column), loaded(byte_bpe()))


def test_a_broken_part_is_refused(part: Path, tmp_path: Path) -> None:
    content = part.read_bytes()
    shard = job(part, tmp_path)
    part.write_bytes(content[: len(content) // 2])

    with pytest.raises(JobError, match=r"part-00000.parquet cannot be read: .+"):
        run(shard, loaded(byte_bpe()))
    part.unlink()
    with pytest.raises(JobError, match=r"part-00000.parquet cannot be read"):
        run(shard, loaded(byte_bpe()))


def test_a_full_disk_is_explained(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: shard_files.HashedFile, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_files.HashedFile, "write", full)

    with pytest.raises(JobError, match="The disk is full"):
        run(job(part, tmp_path), loaded(byte_bpe()))


def request(part: Path, out: Path, tokenizer: Path, **values: Any) -> dict[str, Any]:
    shard = job(part, out)
    return {
        "spec": shard.spec.to_dict(),
        "tokenizer": str(tokenizer),
        "encoder": "",
        "probe": {"path": str(part), "row_group": 0},
        "row_bytes": HUB_ROW_BYTES,
        "part": str(part),
        "row_groups": [0, groups_in(part)],
        "split": "train",
        "split_rows": shard.split_rows,
        "first_row": 0,
        "out": str(out),
        "stem": "shard",
    } | values


def test_the_child_chooses_an_encoder_and_gives_the_same_bytes_as_here(
    part: Path, tmp_path: Path, child: Child
) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes(byte_bpe())
    here = run(job(part, tmp_path, "here"), loaded(byte_bpe(), "fastokens"))

    messages = [message for message in child.run(request(part, tmp_path, tokenizer)) if message]
    again = [message for message in child.run(request(part, tmp_path, tokenizer, encoder="fastokens")) if message]

    assert messages[0] == {"stage": "Loading Tokenizer"}
    assert messages[1]["encoder"] == "fastokens"
    assert not any("encoder" in message for message in again)
    for done in (messages[-1]["done"], again[-1]["done"]):
        assert done["counts"] == here["counts"]
        assert [file["sha256"] for file in done["files"]] == [file["sha256"] for file in here["files"]]


@pytest.mark.parametrize("is_right", [True, False])
def test_a_tokenizer_that_was_loaded_early_changes_nothing(part: Path, tmp_path: Path, is_right: bool) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_bytes(byte_bpe())
    preloaded = tokenizer if is_right else tmp_path / "nowhere.json"
    start_early(ENGINE, 3 << 30, 1, {"preload": str(preloaded), "row_bytes": HUB_ROW_BYTES})
    child, other = Child(ENGINE, memory_limit_bytes=3 << 30), Child(ENGINE, memory_limit_bytes=2 << 30)

    early, late = (
        [message for message in each.run(request(part, tmp_path, tokenizer)) if message] for each in (child, other)
    )

    child.close()
    other.close()
    assert early == late
    assert "encoder" in early[1]


def test_the_child_explains_what_is_wrong_and_goes_on(part: Path, tmp_path: Path, child: Child) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")

    with pytest.raises(JobError, match=r"tokenizer.json is not a tokenizer: Model missing"):
        list(child.run(request(part, tmp_path, broken)))
    with pytest.raises(JobError, match="no option called 'strides'"):
        list(child.run(request(part, tmp_path, broken, spec={"strides": 1})))


def test_the_child_refuses_rows_over_the_limit_that_it_is_told(tmp_path: Path, child: Child) -> None:
    tokenizer, long = tmp_path / "tokenizer.json", write_part(tmp_path / "long.parquet", ["a" * 10, "a" * 11, "b"])
    tokenizer.write_bytes(word_level())

    reasons = []
    for row_bytes in (10, 11):
        *_, last = child.run(request(long, tmp_path, tokenizer, encoder="tokenizers", row_bytes=row_bytes))
        assert last
        reasons.append(last["done"]["counts"]["reasons"])

    assert reasons == [{"too_long": 1}, {}]


def test_rows_on_which_a_library_panics_are_set_aside(part: Path, tmp_path: Path, child: Child) -> None:
    content = json.loads(word_level())
    content["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAAAAAAAAAA"}
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(json.dumps(content))

    *_, last = child.run(request(part, tmp_path, tokenizer, encoder="tokenizers"))

    assert last
    assert last["done"]["counts"]["reasons"] == {"empty": 2, "refused": 4}


def test_the_child_imports_only_what_it_needs() -> None:
    program = "import sys, tokenizations.engine.child; sys.stdout.write(' '.join(sys.modules))"

    loaded_modules = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"django", "channels", "dramatiq", "datasets", "transformers", "torch", "pandas"} & set(loaded_modules)


def test_the_child_reads_a_tokenizer(tmp_path: Path, child: Child) -> None:
    source, target = tmp_path / "some.json", tmp_path / "tokenizer.json"
    source.write_bytes(wordpiece())

    *_, last = child.run({"read_tokenizer": [str(source)], "out": str(target)})

    assert last
    assert last["done"]["kind"] == "WordPiece"
    assert target.read_bytes() == wordpiece()
