"""Measures time and memory of one engine child as the rows grow: `python -m bench.growth [--most 10000000]`.

Each number of rows in a fresh child, cut into the shards that a job has; last, documents of 16 MiB.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.corpus import ENGINE, MEGABYTE, given_or_sample, parser
from bench.engine import MEMORY_BYTES, request_for
from bench.processes import peak_bytes
from bench.table import show
from datasets_app.children import Child
from datasets_app.ingest.parts import GROUP_ROWS, GROUP_TEXT_BYTES
from tokenizations.engine.choosing import prepare
from tokenizations.engine.shards import ShardPlan, plan
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.tokenizer_files import read_tokenizer

FEWEST = 10_000
LARGE_BYTES = 16 << 20
LARGE_ROWS = 8
ROW_CHARACTERS = 120
SCHEMA = pa.schema([("text", pa.string())])


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--most", type=int, default=1_000_000, help="rows")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = measure(options, Path(name))
    show(rows, options.json)


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    texts, tokenizers = given_or_sample(options, folder)
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_bytes(read_tokenizer(tokenizers[0]).json_bytes)
    prepare(tokenizer)
    words = read_words(texts, options.column)
    rows, count = [], FEWEST
    while count <= options.most:
        write(folder / "part.parquet", pieces(words, count))
        rows.append(run(folder / "part.parquet", tokenizer, f"{count:,} rows"))
        count *= 10
    long = (words * (LARGE_BYTES // len(words) + 1)).encode()[:LARGE_BYTES].decode(errors="ignore")
    write(folder / "part.parquet", (f"{number} {long}" for number in range(LARGE_ROWS)))
    rows.append(run(folder / "part.parquet", tokenizer, f"{LARGE_ROWS} of 16 MiB"))
    return rows


def read_words(texts: list[Path], column: str) -> str:
    return " ".join(text for path in texts for text in pq.read_table(path)[column].to_pylist() if text)


def pieces(words: str, count: int) -> Iterator[str]:
    """So many short texts."""
    chance = random.Random(0)
    for _ in range(count):
        start = chance.randrange(len(words) - ROW_CHARACTERS)
        yield words[start : start + chance.randint(1, 2 * ROW_CHARACTERS)]


def write(path: Path, texts: Iterator[str]) -> None:
    """In row groups as an import makes them."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=False) as writer:
        for group in groups(texts):
            writer.write_table(pa.table({"text": group}, SCHEMA), row_group_size=len(group))


def groups(texts: Iterator[str]) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for text in texts:
        if group and (len(group) == GROUP_ROWS or size + len(text) > GROUP_TEXT_BYTES):
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield group


def run(part: Path, tokenizer: Path, title: str) -> dict[str, Any]:
    """All shards of the part, one after the other in one child."""
    spec = Spec("text", ("train",), filter_mode=FilterMode.STANDARD)
    request = request_for(part, tokenizer, spec)
    child = Child(ENGINE, memory_limit_bytes=MEMORY_BYTES)
    seconds, size, processed, base = 0.0, 0, 0, 0
    for shard in shards_of(part, spec):
        began = time.perf_counter()
        groups_of = {"row_groups": [shard.first_group, shard.last_group], "first_row": shard.first_row}
        for message in child.run(request | groups_of):
            assert child.pid
            if message and "encoder" in message:
                request["encoder"] = message["encoder"]
            if message and message.get("stage") == "Loading Dataset":
                began, base = time.perf_counter(), base or peak_bytes(child.pid)
            if message and "done" in message:
                counts = message["done"]["counts"]
        seconds += time.perf_counter() - began
        size += counts["bytes"]
        processed += counts["processed"]
    peak = peak_bytes(child.pid or 0)
    child.close()
    return {
        "": title,
        "text, MB": size / MEGABYTE,
        "seconds": seconds,
        "microseconds a row": 1e6 * seconds / processed,
        "MB/s": size / seconds / MEGABYTE,
        "peak, MB": peak / MEGABYTE,
        "of which before the first row, MB": base / MEGABYTE,
    }


def shards_of(part: Path, spec: Spec) -> list[ShardPlan]:
    file = pq.ParquetFile(part)
    row_groups = [
        {"rows": file.metadata.row_group(n).num_rows, "bytes": {"text": file.read_row_group(n)["text"].nbytes}}
        for n in range(file.num_row_groups)
    ]
    return plan([{"split": "train", "name": "part", "row_groups": row_groups}], spec)


if __name__ == "__main__":
    main()
