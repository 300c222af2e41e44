import json
from pathlib import Path
from typing import Any

import pytest

from datasets_app.errors import JobError
from tests.engine_samples import byte_bpe, job, loaded, reference, run, spec, write_part
from tokenizations.engine.dataset_files import Provenance, write_dataset
from tokenizations.engine.output_files import MANIFEST, OutputFile, data_path, files_of, ledger_path, verify
from tokenizations.engine.statistics import Statistics

TEXTS: dict[str, list[list[str | None]]] = {
    "train": [["the cat", "sat on", "京都"], ["a mat"]],
    "test": [["and 42 dogs", None]],
    "empty": [],
}


def provenance(**options: Any) -> Provenance:
    return Provenance(spec(splits=list(TEXTS), **options), "dataset", "0" * 64, "tokenizers")


def build(out: Path, **options: Any) -> dict[str, Any]:
    files: list[OutputFile] = []
    statistics: dict[str, Statistics] = {}
    for split, shards in TEXTS.items():
        for number, texts in enumerate(shards):
            paths = {"data": data_path(split, number, len(shards)), "ledger": ledger_path(split, number, len(shards))}
            out.mkdir(exist_ok=True)
            part = write_part(out.parent / "part.parquet", texts)
            done = run(job(part, out, **options), loaded(byte_bpe()))
            statistics[split] = statistics.get(split, Statistics()) + Statistics.read(out / "shard.stats.parquet")
            (out / "shard.stats.parquet").unlink()
            for file in done["files"][:2]:
                path = out / paths[file["role"]]
                path.parent.mkdir(parents=True, exist_ok=True)
                (out / file["name"]).rename(path)
                values = {name: file[name] for name in ("role", "rows", "bytes", "sha256")}
                files.append(OutputFile(split=split, path=paths[file["role"]], **values))
    return write_dataset(out, files, provenance(**options), statistics)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(split: str) -> list[list[int]]:
    return [reference(byte_bpe()).encode(text).ids for texts in TEXTS[split] for text in texts if text]


def test_the_output_opens_as_a_dataset_and_equals(tmp_path: Path) -> None:
    import datasets

    build(tmp_path / "out")

    opened = datasets.load_from_disk(str(tmp_path / "out"))
    assert isinstance(opened, datasets.DatasetDict)
    assert list(opened) == list(TEXTS)
    for split, dataset in opened.items():
        assert dataset["input_ids"][:] == expected(split)
        assert dataset["attention_mask"][:] == [[1] * len(ids) for ids in expected(split)]
        assert str(dataset.split) == split
        assert dataset.features == datasets.Features(
            input_ids=datasets.List(datasets.Value("int32")), attention_mask=datasets.List(datasets.Value("int8"))
        )


def test_it_opens_without_a_mask_too(tmp_path: Path) -> None:
    import datasets

    build(tmp_path / "out", attention_mask=False)

    opened = datasets.load_from_disk(str(tmp_path / "out"))
    assert opened["train"].column_names == ["input_ids"]


def test_what_datasets_writes_itself_has_the_same_state_keys(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"input_ids": [[1]]}).save_to_disk(str(tmp_path / "theirs"))

    build(tmp_path / "out")

    ours = json.loads((tmp_path / "out/train/state.json").read_text())
    assert ours.keys() == json.loads((tmp_path / "theirs/state.json").read_text()).keys()
    assert [file["filename"] for file in ours["_data_files"]] == [
        "data-00000-of-00002.arrow",
        "data-00001-of-00002.arrow",
    ]


def test_the_same_input_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(tmp_path / name)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_fingerprint_of_a_split_follows_its_bytes(tmp_path: Path) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two", attention_mask=False)

    prints = [json.loads((tmp_path / name / "train/state.json").read_text())["_fingerprint"] for name in ("one", "two")]
    assert len(set(prints)) == 2


def test_each_split_has_figures_of_its_own_and_all_together_have_theirs(tmp_path: Path) -> None:
    manifest = build(tmp_path / "out")

    everything = [ids for split in TEXTS for ids in expected(split)]
    for figures, rows in [*((manifest["splits"][split], expected(split)) for split in TEXTS),
                          (manifest["statistics"], everything)]:  # fmt: skip
        lengths, tokens = [len(ids) for ids in rows], [token for ids in rows for token in ids]
        assert (figures["rows"], figures["tokens"]) == (len(rows), len(tokens))
        assert (figures["min"], figures["max"]) == (min(lengths, default=None), max(lengths, default=None))
        assert figures["mean"] == (sum(lengths) / len(lengths) if lengths else None)
        assert figures["unique_tokens"] == len(set(tokens))


def test_the_manifest_names_every_other_file_with_its_hash(tmp_path: Path) -> None:
    manifest = build(tmp_path / "out")

    assert manifest == json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert {file["path"] for file in manifest["files"]} == contents(tmp_path / "out").keys() - {MANIFEST}
    verify(tmp_path / "out", files_of(manifest))


def test_the_manifest_says_what_was_made_of_what(tmp_path: Path) -> None:
    manifest = build(tmp_path / "out")

    assert manifest["spec"] == provenance().spec.to_dict()
    assert manifest["versions"].keys() >= {"fastokens", "tokenizers", "pyarrow"}
    assert manifest["statistics"]["rows"] == 5
    assert [manifest["splits"][split]["rows"] for split in TEXTS] == [4, 1, 0]
    assert manifest["statistics"]["rows_lost"] == {"empty": 1}


@pytest.mark.parametrize("damage", ["delete", "cut", "change"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    manifest = build(tmp_path / "out")
    victim = tmp_path / "out/train/data-00001-of-00002.arrow"
    content = victim.read_bytes()
    match damage:
        case "delete":
            victim.unlink()
        case "cut":
            victim.write_bytes(content[:-1])
        case "change":
            victim.write_bytes(content[:-9] + b"x" + content[-8:])

    with pytest.raises(JobError, match=r"train/data-00001-of-00002.arrow is missing or not as it was written"):
        verify(tmp_path / "out", files_of(manifest))


def test_the_card_is_yaml_and_inert_markdown(tmp_path: Path) -> None:
    build(tmp_path / "out")

    card = (tmp_path / "out/README.md").read_text()
    assert '  - split: "train"' in card
    assert "empty" not in card.split("---")[1]
    assert '- text_column: `"text"`' in card
    assert "| train | 4 |" in card


def test_load_dataset_opens_the_splits_with_rows(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    build(tmp_path / "out")

    opened = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    assert {split: rows["input_ids"][:] for split, rows in opened.items()} == {
        split: expected(split) for split in ("train", "test")
    }
