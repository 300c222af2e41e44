"""Measures imports beside `datasets.load_dataset`, alternating: `python -m bench.importing [--megabytes 500]`.

Ours is `manage.py import_dataset`, with all that belongs to it: the database, checks of every row, checksums and fsync;
theirs `bench/load_script.py`. Each is a process of its own with a cache of its own, on the same file. The rows are the
source text and docstrings of the interpreter's own library. A Parquet file is kept as it is if it is cut as parts are;
one of a single large row group is written anew.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.corpus import MEGABYTE, Yard, answer
from bench.processes import Run, measured
from bench.table import show
from datasets_app.ingest.sample import write_sample

CHILD = "datasets_app.ingest.child"
DATASET = "bench"
ROW_GROUP_ROWS = 10_000
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500, help="of text in each file")
    parser.add_argument("--kinds", nargs="+", choices=FILES, default=[*FILES])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        yard = Yard(Path(folder) / "var")
        yard.command("list_datasets")  # the first command makes the database
        rows = [compare(yard, kind, Path(folder), options) for kind in options.kinds]
    show(rows, options.json)


def compare(yard: Yard, kind: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    name, write = FILES[kind]
    source = folder / name
    write(source, rows_of(folder, options.megabytes * MEGABYTE))
    theirs, ours = [], []
    for _ in range(options.rounds):
        os.sync()  # what one has left to be written is not for the other to wait for
        theirs.append(load(source))
        os.sync()
        ours.append(measured(["manage.py", "import_dataset", DATASET, str(source), "--json"], yard.env, CHILD))
        check(answer(ours[-1]), answer(theirs[-1]))
        yard.command("delete_dataset", DATASET)
    ratios = [a.seconds / b.seconds for a, b in zip(theirs, ours, strict=True)]
    size = source.stat().st_size
    source.unlink()
    return {
        "": kind,
        "file, MB": size / MEGABYTE,
        "rounds": options.rounds,
        "load_dataset, s": round(statistics.median(run.seconds for run in theirs), 2),
        "Tokenyard, s": round(statistics.median(run.seconds for run in ours), 2),
        "ratio, median": round(statistics.median(ratios), 2),
        "ratio, least": round(min(ratios), 2),
        "load_dataset, CPU s": round(statistics.median(run.cpu for run in theirs), 2),
        "Tokenyard, CPU s": round(statistics.median(run.cpu for run in ours), 2),
        "load_dataset, largest process, MB": max(run.peak for run in theirs) / MEGABYTE,
        "Tokenyard, import child, MB": max(run.peak_of_children for run in ours) / MEGABYTE,
    }


def check(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    if ours["rows"] != theirs["rows"]:
        raise SystemExit(f"{ours['rows']:,} rows were imported, but load_dataset found {theirs['rows']:,}.")


def load(source: Path) -> Run:
    cache = Path(tempfile.mkdtemp())
    env = {**os.environ, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    try:
        return measured(["-m", "bench.load_script", source.suffix[1:], str(source)], env)
    finally:
        shutil.rmtree(cache)


def rows_of(folder: Path, size: int) -> Iterator[Row]:
    """So much text, no two rows of it the same."""
    sample = folder / "sample"
    if not sample.exists():
        sample.mkdir()
        list(write_sample(sample))
    files = sorted(sample.glob("*.jsonl"))
    texts = [json.loads(line)["text"] for file in files for line in file.read_text().splitlines()]
    for number in count():
        text = f"{texts[number % len(texts)]} {number}"
        size -= len(text)
        yield {"id": number, "score": number / 7, "text": text}
        if size <= 0:
            return


def write_csv(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "score", "text"])
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_parquet(path: Path, rows: Iterator[Row], *, group_rows: int = ROW_GROUP_ROWS) -> None:
    schema = pa.schema([("id", pa.int64()), ("score", pa.float64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        batch: list[Row] = []
        for row in rows:
            batch.append(row)
            if len(batch) == group_rows:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))


FILES: dict[str, tuple[str, Callable[[Path, Iterator[Row]], None]]] = {
    "csv": ("source.csv", write_csv),
    "jsonl": ("source.jsonl", write_jsonl),
    "parquet": ("source.parquet", write_parquet),
    "parquet-of-one-group": ("source.parquet", partial(write_parquet, group_rows=0)),
}


if __name__ == "__main__":
    main()
