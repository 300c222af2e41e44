"""Measures whole jobs beside the script that labs write today, alternating: `python -m bench.whole [--texts FILE...]`.

Ours is `manage.py tokenize --here`, theirs `bench/map_script.py`, each a process of its own with as many processes as
there are cores, and all that belongs to it: start, tokens, statistics, and for ours the ledger, checksums and fsync.
By default on the sample: the interpreter's own library, with the two tokenizers trained on it.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import bench.environment  # noqa: F401
from bench.processes import Run, measured
from bench.table import lines
from datasets_app.ingest.sample import write_sample

MEGABYTE = 1_000_000
ROW_GROUP_ROWS = 2000
COLUMN = "text"
DATASET = "bench"
CHILD = "tokenizations.engine.child"
CORES = os.cpu_count() or 1


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options, Path(folder))
    print("\n".join(lines(rows)))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", nargs="+", type=Path, default=[], help="Parquet files, measured as one dataset")
    parser.add_argument("--tokenizers", nargs="+", type=Path, default=[])
    parser.add_argument("--column", default=COLUMN)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=1, help="so often each text, each time with another number")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """A row of figures for each tokenizer."""
    texts, tokenizers = options.texts, options.tokenizers
    if not texts or not tokenizers:
        made_texts, made_tokenizers = sample(folder)
        texts, tokenizers = texts or made_texts, tokenizers or made_tokenizers
    source = folder / "source.parquet"
    size = write_source(texts, options.column, source, options.copies)
    yard = Yard(folder / "var")
    yard.command("import_dataset", DATASET, str(source))
    rows = []
    for tokenizer in tokenizers:
        yard.command("add_tokenizer", tokenizer.stem, str(tokenizer))
        rows.append(compare(yard, source, tokenizer, options.rounds) | {"text, MB": size / MEGABYTE})
    return rows


def sample(folder: Path) -> tuple[list[Path], list[Path]]:
    """The sample's texts as Parquet, and its tokenizers."""
    made = next(message["done"] for message in write_sample(folder) if "done" in message)
    texts = [folder / f"{file['split']}.parquet" for file in made["files"]]
    for file, target in zip(made["files"], texts, strict=True):
        pq.write_table(pa.json.read_json(folder / file["name"]), target)
    return texts[:1], [folder / tokenizer["file"] for tokenizer in made["tokenizers"]]


def write_source(texts: list[Path], column: str, target: Path, copies: int) -> int:
    """All texts in one Parquet file, in a column `text`. Returns their bytes."""
    schema, size = pa.schema([(COLUMN, pa.string())]), 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for copy in range(copies):
            for path in texts:
                rows = pq.read_table(path, columns=[column])[column].to_pylist()
                counted = [text and f"{text} {copy}-{number}" for number, text in enumerate(rows)]
                table = pa.table({COLUMN: rows if copies == 1 else counted}, schema)
                size += sum(len(text.encode()) for text in table[COLUMN].to_pylist() if text)
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    return size


class Yard:
    """An installation of its own, without servers."""

    def __init__(self, var: Path) -> None:
        var.mkdir()
        self.env = {**os.environ, "TOKENYARD_VAR": str(var), "TOKENYARD_SLOTS": str(CORES)}

    def command(self, *words: str) -> Run:
        return measured(["manage.py", *words, "--json"], self.env, CHILD)


def compare(yard: Yard, source: Path, tokenizer: Path, rounds: int) -> dict[str, Any]:
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(run_map(source, tokenizer))
        ours.append(yard.command("tokenize", DATASET, tokenizer.stem, "--here"))
        said, expected = json.loads(ours[-1].output), json.loads(theirs[-1].output)
        if said["tokens"] != expected["tokens"]:
            raise SystemExit(f"{tokenizer.stem}: {said['tokens']:,} tokens, but map made {expected['tokens']:,}.")
        yard.command("delete_tokenization", said["id"])
    seconds = [statistics.median(run.seconds for run in runs) for runs in (theirs, ours)]
    return {
        "": tokenizer.stem,
        "encoder": said["encoder"],
        "tokens": said["tokens"],
        "rounds": rounds,
        "map, s": round(seconds[0], 2),
        "Tokenyard, s": round(seconds[1], 2),
        "ratio": round(seconds[0] / seconds[1], 1),
        "ratio, least": round(min(a.seconds / b.seconds for a, b in zip(theirs, ours, strict=True)), 1),
        "ratio, most": round(max(a.seconds / b.seconds for a, b in zip(theirs, ours, strict=True)), 1),
        "map, largest process, MB": max(run.peak for run in theirs) / MEGABYTE,
        "Tokenyard, engine child, MB": max(run.peak_of_children for run in ours) / MEGABYTE,
    }


def run_map(source: Path, tokenizer: Path) -> Run:
    """With caches of its own, so that nothing is taken from an earlier round."""
    cache = Path(tempfile.mkdtemp())
    env = {**os.environ, "HF_HOME": str(cache), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    arguments = ["--texts", str(source), "--column", COLUMN, "--tokenizer", str(tokenizer)]
    arguments += ["--processes", str(CORES), "--out", str(cache / "saved")]
    try:
        return measured(["-m", "bench.map_script", *arguments], env)
    finally:
        shutil.rmtree(cache)


if __name__ == "__main__":
    main()
