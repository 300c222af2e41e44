"""Measures what workers cost beside `tokenize --here`, alternating: `python -m bench.jobs [--copies N]`.

Both give the same command on the same installation, from its start to its end; only `--here` differs. Choose copies for
a dataset of a gigabyte: a small one shows what the command's own start takes.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.corpus import CORES, ENGINE, MEGABYTE, given_or_sample, parser, write_source
from bench.processes import Run, measured
from bench.table import show
from bench.whole import DATASET
from tests.stack import Stack, running_stack


def main() -> None:
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, running_stack(TOKENYARD_SLOTS=str(CORES)) as stack:
        rows = measure(options, Path(folder), stack)
    show(rows, options.json)


def measure(options: argparse.Namespace, folder: Path, stack: Stack) -> list[dict[str, Any]]:
    texts, tokenizers = given_or_sample(options, folder)
    size = write_source(texts, options.column, folder / "source.parquet", options.copies)
    command(stack, "import_dataset", DATASET, str(folder / "source.parquet"))
    (folder / "source.parquet").unlink()
    rows = []
    for tokenizer in tokenizers:
        command(stack, "add_tokenizer", tokenizer.stem, str(tokenizer))
        rows.append({"": tokenizer.stem, "text, MB": size / MEGABYTE, **compare(stack, tokenizer.stem, options.rounds)})
    return rows


def compare(stack: Stack, tokenizer: str, rounds: int) -> dict[str, Any]:
    """Medians of seconds; the ratio is the median of those of each round."""
    here, workers = [], []
    for _ in range(rounds):
        for runs, flags in ((here, ["--here"]), (workers, [])):
            run = command(stack, "tokenize", DATASET, tokenizer, *flags)
            runs.append(run.seconds)
            command(stack, "delete_tokenization", json.loads(run.output)["id"])
    return {
        "rounds": rounds,
        "--here, s": round(statistics.median(here), 2),
        "workers, s": round(statistics.median(workers), 2),
        "ratio": round(statistics.median(b / a for a, b in zip(here, workers, strict=True)), 3),
    }


def command(stack: Stack, *words: str) -> Run:
    return measured(["manage.py", *words, "--json"], stack.env, ENGINE)


if __name__ == "__main__":
    main()
