"""What the benches of the engine work on: texts as one Parquet file, tokenizers, and an installation of its own."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

import bench.environment  # noqa: F401
from bench.processes import Run, measured
from datasets_app.ingest.sample import write_sample

MEGABYTE = 1_000_000
COLUMN = "text"
ENGINE = "tokenizations.engine.child"
ROW_GROUP_ROWS = 2000
CORES = os.cpu_count() or 1
SERVERS = {"DATABASE_URL", "REDIS_URL"}


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--texts", nargs="+", type=Path, default=[], help="Parquet files, measured as one dataset")
    made.add_argument("--tokenizers", nargs="+", type=Path, default=[])
    made.add_argument("--column", default=COLUMN)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--copies", type=int, default=1, help="so often each text, each time with another number")
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


def given_or_sample(options: argparse.Namespace, folder: Path) -> tuple[list[Path], list[Path]]:
    """Texts and tokenizers; by default of the sample: the interpreter's own library and what was trained on it."""
    if options.texts and options.tokenizers:
        return options.texts, options.tokenizers
    made = next(message["done"] for message in write_sample(folder) if "done" in message)
    texts = [folder / f"{file['split']}.parquet" for file in made["files"]]
    for file, target in zip(made["files"], texts, strict=True):
        pq.write_table(pa.json.read_json(folder / file["name"]), target)
    return options.texts or texts[:1], options.tokenizers or [folder / one["file"] for one in made["tokenizers"]]


def write_source(texts: list[Path], column: str, target: Path, copies: int) -> int:
    """All texts in one Parquet file, in a column `text`. Returns their bytes."""
    schema, size = pa.schema([(COLUMN, pa.string())]), 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for copy in range(copies):
            for path in texts:
                rows = pq.read_table(path, columns=[column])[column].to_pylist()
                if copies > 1:
                    rows = [text and f"{text} {copy}-{number}" for number, text in enumerate(rows)]
                size += sum(len(text.encode()) for text in rows if text)
                writer.write_table(pa.table({COLUMN: rows}, schema), row_group_size=ROW_GROUP_ROWS)
    return size


class Yard:
    """An installation of its own, without servers, on SQLite."""

    def __init__(self, var: Path) -> None:
        var.mkdir()
        inherited = {name: value for name, value in os.environ.items() if name not in SERVERS}
        self.env = {**inherited, "TOKENYARD_VAR": str(var), "TOKENYARD_SLOTS": str(CORES)}

    def command(self, *words: str) -> Run:
        return measured(["manage.py", *words, "--json"], self.env, ENGINE)


def answer(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.output)
    return found
