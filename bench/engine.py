"""Measures the engine on one core, everything included: `bench/engine.py [--texts FILE... --tokenizers FILE...]`.

By default on the sample: the interpreter's own library, with the two tokenizers trained on it. With `--check` it also
compares the ids of every row with those of `tokenizers`, which takes minutes.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from datasets_app.children import Child
from datasets_app.ingest.sample import write_sample
from tokenizations.engine.encoding import HUB_ROW_BYTES
from tokenizations.engine.spec import FilterMode, Spec
from tokenizations.engine.tokenizer_files import load, read_tokenizer

MEGABYTE = 1_000_000
ROW_GROUP_ROWS = 1500
CHECK_ROWS = 256
MEMORY_BYTES = 4 << 30


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        if not options.texts or not options.tokenizers:
            options.texts, options.tokenizers = sample(Path(folder))
        measure_all(options)


def sample(folder: Path) -> tuple[list[Path], list[Path]]:
    """The sample's texts as Parquet, and its tokenizers."""
    made = next(message["done"] for message in write_sample(folder) if "done" in message)
    texts = [folder / f"{file['split']}.parquet" for file in made["files"]]
    for file, target in zip(made["files"], texts, strict=True):
        pq.write_table(pa.json.read_json(folder / file["name"]), target)
    return texts[:1], [folder / tokenizer["file"] for tokenizer in made["tokenizers"]]


def measure_all(options: argparse.Namespace) -> None:
    child = Child("tokenizations.engine.child", memory_limit_bytes=MEMORY_BYTES)
    for source in options.texts:
        for tokenizer in options.tokenizers:
            with tempfile.TemporaryDirectory() as folder:
                measure(child, source, tokenizer, Path(folder), options)
    child.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", nargs="+", type=Path, default=[])
    parser.add_argument("--tokenizers", nargs="+", type=Path, default=[])
    parser.add_argument("--column", default="text")
    parser.add_argument("--filter", default=FilterMode.NONE, choices=list(FilterMode))
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def measure(child: Child, source: Path, tokenizer: Path, folder: Path, options: argparse.Namespace) -> None:
    part, json_path = folder / "part.parquet", folder / "tokenizer.json"
    texts = pq.read_table(source, columns=[options.column])
    pq.write_table(texts, part, row_group_size=ROW_GROUP_ROWS, compression="zstd")
    json_path.write_bytes(read_tokenizer(tokenizer).json_bytes)
    spec = Spec(options.column, ("train",), max_length=options.max_length, filter_mode=FilterMode(options.filter))
    request: dict[str, Any] = {
        "spec": spec.to_dict(),
        "tokenizer": str(json_path),
        "encoder": "",
        "probe": {"path": str(part), "row_group": 0},
        "part": str(part),
        "row_bytes": HUB_ROW_BYTES,
        "row_groups": [0, pq.ParquetFile(part).metadata.num_row_groups],
        "split": "train",
        "split_rows": len(texts),
        "first_row": 0,
        "out": str(folder),
        "stem": "shard",
    }
    for name in ("cold", "warm"):
        print(f"{source.stem:16} {tokenizer.stem:14} {name}: {run(child, request)}")
    if options.check:
        check(texts[options.column].to_pylist(), json_path, folder / "shard.arrow")


def run(child: Child, request: dict[str, Any]) -> str:
    started = tokenizing = time.perf_counter()
    cpu_before = 0.0
    for message in child.run(request):
        if message and "encoder" in message:
            request["encoder"] = message["encoder"]
        if message and message.get("stage") == "Loading Dataset":
            tokenizing, cpu_before = time.perf_counter(), cpu_seconds(child)
        if message and "done" in message:
            counts = message["done"]["counts"]
    seconds, cpu = time.perf_counter() - tokenizing, cpu_seconds(child) - cpu_before
    return (
        f"{request['encoder']:10} {counts['bytes'] / seconds / MEGABYTE:6.1f} MB/s,"
        f" {counts['bytes'] / cpu / MEGABYTE:6.1f} MB per CPU second, {tokenizing - started:.2f} s to load"
    )


def cpu_seconds(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)


def check(texts: list[str | None], json_path: Path, found: Path) -> None:
    reference = load(json_path.read_bytes())
    with pa.ipc.open_stream(found) as stream:
        ids = stream.read_all()["input_ids"]
    rows = [text for text in texts if text]
    wrong = 0
    for start in range(0, len(rows), CHECK_ROWS):
        some = rows[start : start + CHECK_ROWS]
        expected = [row.ids for row in reference.encode_batch_fast(some)]
        wrong += sum(a != b for a, b in zip(expected, ids[start : start + len(some)].to_pylist(), strict=True))
    print(f"  {wrong} of {len(rows):,} rows differ from tokenizers")


if __name__ == "__main__":
    main()
