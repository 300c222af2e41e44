"""Measures whole jobs beside the script that labs write today, alternating: `python -m bench.whole [--texts FILE...]`.

Ours is `manage.py tokenize --here`, theirs `bench/map_script.py`, each a process of its own with as many processes as
there are cores, and all that belongs to it: start, tokens, statistics, and for ours the filter, the ledger, checksums
and fsync. By default on the sample: the interpreter's own library, with the two tokenizers trained on it.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.corpus import COLUMN, CORES, MEGABYTE, Yard, answer, given_or_sample, parser, write_source
from bench.processes import Run, measured
from bench.table import show
from tokenizations.engine.spec import FilterMode

DATASET = "bench"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--filter", default=FilterMode.STANDARD, choices=list(FilterMode))
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options, Path(folder))
    show(rows, options.json)


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """A row of figures for each tokenizer."""
    texts, tokenizers = given_or_sample(options, folder)
    source = folder / "source.parquet"
    size = write_source(texts, options.column, source, options.copies)
    yard = Yard(folder / "var")
    yard.command("import_dataset", DATASET, str(source))
    rows = []
    for tokenizer in tokenizers:
        yard.command("add_tokenizer", tokenizer.stem, str(tokenizer))
        rows.append(compare(yard, source, tokenizer, options) | {"text, MB": size / MEGABYTE})
    return rows


def compare(yard: Yard, source: Path, tokenizer: Path, options: argparse.Namespace) -> dict[str, Any]:
    theirs, ours = [], []
    for _ in range(options.rounds):
        theirs.append(run_map(source, tokenizer))
        ours.append(yard.command("tokenize", DATASET, tokenizer.stem, "--here", "--filter", options.filter))
        said = answer(ours[-1])
        check(said, answer(theirs[-1]))
        yard.command("delete_tokenization", said["id"])
    ratios = [a.seconds / b.seconds for a, b in zip(theirs, ours, strict=True)]
    return {
        "": tokenizer.stem,
        "encoder": said["encoder"],
        "tokens": said["tokens"],
        "rounds": options.rounds,
        "map, s": round(statistics.median(run.seconds for run in theirs), 2),
        "Tokenyard, s": round(statistics.median(run.seconds for run in ours), 2),
        "ratio, median": round(statistics.median(ratios), 1),
        "ratio, least": round(min(ratios), 1),
        "ratio, most": round(max(ratios), 1),
        "map, CPU s": round(statistics.median(run.cpu for run in theirs), 2),
        "Tokenyard, CPU s": round(statistics.median(run.cpu for run in ours), 2),
        "map, largest process, MB": max(run.peak for run in theirs) / MEGABYTE,
        "Tokenyard, engine child, MB": max(run.peak_of_children for run in ours) / MEGABYTE,
    }


def check(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Both have made the same number of tokens out of the texts, or the comparison is void. Map has no filter."""
    manifest = json.loads((Path(ours["path"]) / "manifest.json").read_text())
    made, expected = manifest["statistics"]["tokens_in"], theirs["tokens"] - theirs["special_tokens"]
    if made != expected:
        raise SystemExit(f"{ours['tokenizer']}: {made:,} tokens, but map made {expected:,}.")


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
