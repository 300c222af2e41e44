"""Measures the engine on one core beside fastokens alone, alternating: `python -m bench.engine [--texts FILE...]`.

Each in a fresh process, each text once, in seconds of CPU time. Ours is all that a shard is: filter, ledger,
statistics, checksums and fsync; "with the start" also the process's own start and what it loads and tries out before.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from bench.corpus import ENGINE, MEGABYTE, given_or_sample, parser, write_source
from bench.processes import measured, peak_bytes
from bench.table import show
from datasets_app.children import ONE_THREAD, Child
from tokenizations.engine.choosing import prepare
from tokenizations.engine.encoding import HUB_ROW_BYTES
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.tokenizer_files import read_tokenizer

MEMORY_BYTES = 4 << 30


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--filter", default=FilterMode.STANDARD, choices=list(FilterMode))
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, tokenizers = given_or_sample(options, folder)
        size = write_source(texts, options.column, folder / "part.parquet", options.copies)
        rows = [compare(folder, tokenizer, size, options) for tokenizer in tokenizers]
    show(rows, options.json)


def compare(folder: Path, path: Path, size: int, options: argparse.Namespace) -> dict[str, Any]:
    home = folder / path.stem
    home.mkdir()
    tokenizer = home / "tokenizer.json"
    tokenizer.write_bytes(read_tokenizer(path).json_bytes)
    prepare(tokenizer)
    request = request_for(folder / "part.parquet", tokenizer, Spec("text", ("train",), filter_mode=options.filter))
    runs, alone = [], []
    for _ in range(options.rounds):
        runs.append(run(request))
        if runs[-1]["encoder"] == "fastokens":
            alone.append(flat_seconds(folder / "part.parquet", tokenizer))
    seconds, whole = (statistics.median(run[name] for run in runs) for name in ("shard", "whole"))
    row = {
        "": path.stem,
        "encoder": runs[0]["encoder"],
        "text, MB": size / MEGABYTE,
        "engine, MB/s": size / seconds / MEGABYTE,
        "with the start, MB/s": size / whole / MEGABYTE,
        "peak, MB": max(run["peak"] for run in runs) / MEGABYTE,
    }
    if alone:
        row["fastokens alone, MB/s"] = size / statistics.median(alone) / MEGABYTE
        row["share, %"] = 100 * statistics.median(a / run["shard"] for a, run in zip(alone, runs, strict=True))
        row["share with the start, %"] = 100 * statistics.median(
            a / run["whole"] for a, run in zip(alone, runs, strict=True)
        )
    return row


def request_for(part: Path, tokenizer: Path, spec: Spec) -> dict[str, Any]:
    """One shard of the whole part."""
    facts = pq.ParquetFile(part).metadata
    return {
        "spec": spec.to_dict(),
        "tokenizer": str(tokenizer),
        "encoder": "",
        "probe": {"path": str(part), "row_group": 0},
        "part": str(part),
        "row_groups": [0, facts.num_row_groups],
        "split": "train",
        "split_rows": facts.num_rows,
        "first_row": 0,
        "out": str(tokenizer.parent),
        "stem": "shard",
        "row_bytes": HUB_ROW_BYTES,
    }


def run(request: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds of a new child for a shard, and with all that came before."""
    child = Child(ENGINE, memory_limit_bytes=MEMORY_BYTES)
    found: dict[str, Any] = {}
    before = 0.0
    for message in child.run(request):
        if message and "encoder" in message:
            found["encoder"] = message["encoder"]
        if message and message.get("stage") == "Loading Dataset":
            before = cpu_seconds(child)
    assert child.pid
    found |= {"whole": cpu_seconds(child), "shard": cpu_seconds(child) - before, "peak": peak_bytes(child.pid)}
    child.close()
    return found


def cpu_seconds(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)


def flat_seconds(part: Path, tokenizer: Path) -> float:
    output = measured(["-m", "bench.flat", str(part), str(tokenizer)], {**os.environ, **ONE_THREAD}).output
    return float(json.loads(output)["seconds"])


if __name__ == "__main__":
    main()
