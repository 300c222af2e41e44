"""Every bad file that we know of, with the sentence that it gets: `python -m tests.bad_files` prints the table."""

import io
import random
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_app.children import Child
from datasets_app.errors import JobError
from datasets_app.ingest.kinds import kind_of

MEMORY_BYTES = 1 << 30
SECONDS = 10.0
LOOK_SECONDS = 0.02
MIB = 1 << 20
ROWS_BEFORE = 200_000
BOMB_VALUE_BYTES = 4 * 1000 * 1000
BOMB_ROWS = 10_000
DEEP = 100_000
Maker = Callable[[Path], None]


@dataclass(frozen=True)
class BadFile:
    """What is wrong, the name of the file, how to make it, and the beginning of what is said of it."""

    what: str
    name: str
    make: Maker
    said: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    error: JobError
    seconds: float
    peak_bytes: int


def content(data: bytes | str) -> Maker:
    return lambda path: void(path.write_bytes(data if isinstance(data, bytes) else data.encode()))


def void(_: object) -> None:
    """Makers return nothing."""


def repeated(start: bytes, part: bytes, times: int, end: bytes = b"") -> Maker:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            for _ in range(times):
                file.write(part)
            file.write(end)

    return make


def number_that_turns_to_text(path: Path) -> None:
    with path.open("w") as file:
        file.write("id,text\n")
        file.writelines(f"{row},some words of row {row}\n" for row in range(ROWS_BEFORE))
        file.write("unknown,a text\n")


def object_that_turns_to_text(path: Path) -> None:
    with path.open("w") as file:
        file.writelines(f'{{"id": {row}, "text": "some words of row {row}"}}\n' for row in range(ROWS_BEFORE))
        file.write('{"id": "unknown", "text": "a text"}\n')


def many_names(path: Path) -> None:
    with path.open("w") as file:
        file.writelines(f'{{"name_{row}": {row}}}\n' for row in range(100_000))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "text\na\n")


def tarred(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("a.csv")
        archive.addfile(entry, io.BytesIO())


def packed(codec: str, data: bytes, keep: float = 1.0) -> Maker:
    def make(path: Path) -> None:
        whole = path.with_suffix(".whole")
        with pa.CompressedOutputStream(str(whole), codec) as stream:
            stream.write(data)
        all_of_it = whole.read_bytes()
        whole.unlink()
        path.write_bytes(all_of_it[: int(len(all_of_it) * keep)])

    return make


def parquet(path: Path) -> None:
    pq.write_table(pa.table({"text": [f"row {row}" for row in range(5000)]}), path)


def truncated_parquet(path: Path) -> None:
    parquet(path)
    path.write_bytes(path.read_bytes()[:2000])


def damaged_parquet(path: Path) -> None:
    parquet(path)
    data = bytearray(path.read_bytes())
    data[100:600] = bytes(500)
    path.write_bytes(data)


def invalid_utf8_parquet(path: Path) -> None:
    texts = pa.array([b"good", b"caf\xe9 \xff", b"good"], pa.binary())
    pq.write_table(pa.table({"text": pa.Array.from_buffers(pa.string(), 3, texts.buffers())}), path)


def bomb(path: Path) -> None:
    """4 MB that unpack to 40 GB: one value in a dictionary, and ten thousand rows that are it."""
    value = random.Random(1).randbytes(BOMB_VALUE_BYTES // 2).hex()
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * BOMB_ROWS, pa.int32()), [value])
    pq.write_table(pa.table({"text": rows}), path, compression="none", dictionary_pagesize_limit=1 << 30)


def bomb_of_pages(path: Path) -> None:
    """Many pages of zeros, each of which packs to nothing."""
    schema = pa.schema([("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, data_page_size=1) as writer:
        batch = pa.table({"text": ["\x20" * (8 * MIB)] * 8}, schema)
        for _ in range(20):
            writer.write_table(batch)


def long_row_parquet(path: Path) -> None:
    pq.write_table(pa.table({"text": ["short", "x" * (17 * MIB)]}), path)


HTML = "<!DOCTYPE html><html><head><title>404</title></head></html>"
LONG = b"some words " * (17 * MIB // 11 + 1)
LETTERS = b"text\n" + bytes(range(97, 123)) * 9999
LINES = b'{"text": "one"}\n{"text": "two"}\n'
BAD_FILES = (
    BadFile("empty file", "a.csv", content(""), "a.csv is empty."),
    BadFile("empty file", "a.jsonl", content(""), "a.jsonl is empty."),
    BadFile("empty file", "a.parquet", content(""), "a.parquet is empty."),
    BadFile("empty file, packed", "a.csv.gz", packed("gzip", b""), "a.csv.gz is empty."),
    BadFile("header only", "a.csv", content("id,text\n"), "a.csv has a header, but no rows."),
    BadFile("NUL bytes", "a.csv", content("id,text\n1,a\n2,b\0c\n"), "Line 3 of a.csv has a NUL byte"),
    BadFile("NUL bytes", "a.txt", content("a\n\0\0b\n"), "Line 2 of a.txt has a NUL byte"),
    BadFile("NUL bytes", "a.jsonl", content(LINES + b'{"text": "\0"}\n'), "Line 3 of a.jsonl has a NUL byte"),
    BadFile("NUL in a name", "a.jsonl", content('{"te\\u0000xt": "a"}\n'), "a.jsonl has a column with a NUL"),
    BadFile("ragged row", "a.csv", content("id,text\n1,a\n2\n"), "Line 3 of a.csv has 1 value, the header has 2."),
    BadFile(
        "unterminated quote", "a.csv", content('id,text\n1,"a\n2,b\n'), "The quote opened on line 2 of a.csv is never"
    ),
    BadFile("duplicate columns", "a.csv", content("a,a\nx,y\n"), 'The header of a.csv has the column "a" twice.'),
    BadFile(
        "bytes that no encoding explains",
        "a.csv",
        content(b"id,text\n1,\x81\xff\xc3(\n"),
        "Line 2 of a.csv",
    ),
    BadFile("half of UTF-16", "a.txt", content(b"\xff\xfea\0\n\0b\0\n\0\x00\xd8a\0"), "Line 3 of a.txt is not valid"),
    BadFile(
        "number that turns to text at row 200,001",
        "a.csv",
        number_that_turns_to_text,
        'Line 200002 of a.csv has "unknown" in the column "id", which holds whole numbers',
    ),
    BadFile(
        "number that turns to text at row 200,001",
        "a.jsonl",
        object_that_turns_to_text,
        'Line 200001 of a.jsonl has text in the column "id", which holds whole numbers',
    ),
    BadFile("line cut in half", "a.jsonl", content(LINES + b'{"text": "thr'), "Line 3 of a.jsonl is not valid JSON"),
    BadFile("scalars instead of objects", "a.jsonl", content("1\n2\n"), "Line 1 of a.jsonl is a number"),
    BadFile("scalars instead of objects", "a.json", content('["a", "b"]'), "Object 1 (line 1) of a.json is a text"),
    BadFile("null instead of an object", "a.jsonl", content(LINES + b"null\n"), "Line 3 of a.jsonl is null"),
    BadFile("NaN", "a.jsonl", content('{"text": "a", "x": NaN}\n'), "Line 1 of a.jsonl has NaN"),
    BadFile("1e999", "a.jsonl", content('{"text": "a", "x": 1e999}\n'), "Line 1 of a.jsonl has the number 1e999"),
    BadFile(
        "30-digit integer",
        "a.jsonl",
        content(f'{{"text": "a", "x": {"1234567890" * 3}}}\n'),
        "Line 1 of a.jsonl has the",
    ),
    BadFile(
        "30-digit integer, later",
        "a.jsonl",
        content(f'{{"text": "a", "x": 1}}\n{{"text": "a", "x": {"1234567890" * 3}}}\n'),
        "Line 2 of a.jsonl has the number",
    ),
    BadFile("lone surrogate", "a.jsonl", content(LINES + b'{"text": "\\ud800"}\n'), "Line 3 of a.jsonl has half of a"),
    BadFile(
        "100,000-deep nesting",
        "a.jsonl",
        content('{"a": ' + "[" * DEEP + "]" * DEEP + "}"),
        "Line 1 of a.jsonl is nested",
    ),
    BadFile("100,000-deep nesting", "a.json", content("[" * DEEP + "]" * DEEP), "Object 1 (line 1) of a.json is"),
    BadFile(
        "100,000-deep nesting",
        "b.jsonl",
        content('{"a": ' * DEEP + "1" + "}" * DEEP),
        "Line 1 of b.jsonl is nested",
    ),
    BadFile("one line of 300 MB", "a.jsonl", repeated(b'{"text": "', b"x" * MIB, 300, b'"}\n'), "The"),
    BadFile("one line of 300 MB", "a.csv", repeated(b"text\n", b"x" * MIB, 300), "The row that starts on line 2"),
    BadFile("one line of 300 MB", "a.txt", repeated(b"", b"x" * MIB, 300), "The row that starts on line 1 of a.txt"),
    BadFile("one line of 300 MB, packed", "a.txt.zst", packed("zstd", b"x" * (300 * MIB)), "The row that starts on"),
    BadFile("100,000 distinct names", "a.jsonl", many_names, "a.jsonl has over 2,000 different names"),
    BadFile(
        "100,000 columns", "a.csv", content(",".join(f"c{n}" for n in range(100_000)) + "\n"), "a.csv has over 2,000"
    ),
    BadFile("duplicate keys", "a.jsonl", content('{"a": "x", "a": "y"}\n'), 'Line 1 of a.jsonl has the name "a" twice'),
    BadFile("HTML named .json", "a.json", content(HTML), "a.json is a web page, not JSON."),
    BadFile("HTML named .csv", "a.csv", content(HTML), "a.csv is a web page, not CSV."),
    BadFile(
        "Parquet that is garbage", "a.parquet", content(b"\x01garbage" * 1000), "a.parquet is damaged or no Parquet"
    ),
    BadFile("Parquet cut off", "a.parquet", truncated_parquet, "a.parquet is damaged or no Parquet file"),
    BadFile("Parquet with damaged pages", "a.parquet", damaged_parquet, "Row group 1 of a.parquet is damaged"),
    BadFile("Parquet bomb: 4 MB to 40 GB", "a.parquet", bomb, "a.parquet unpacks to over 250 times its size"),
    BadFile("Parquet bomb of pages", "a.parquet", bomb_of_pages, "a.parquet unpacks to over 250 times its size"),
    BadFile(
        "row of over 16 MiB", "a.csv", content(b'text\n"' + LONG + b'"\n'), "The row on line 2 of a.csv is over 16 MiB."
    ),
    BadFile(
        "row of over 16 MiB", "a.jsonl", content(b'{"text": "' + LONG + b'"}\n'), "Line 1 of a.jsonl is over 16 MiB."
    ),
    BadFile("row of over 16 MiB", "a.parquet", long_row_parquet, "Row 2 of a.parquet is over 16 MiB."),
    BadFile(
        "invalid UTF-8 inside Parquet",
        "a.parquet",
        invalid_utf8_parquet,
        'Row 2 of a.parquet, column "text", is not valid',
    ),
    BadFile("zip named .csv", "a.csv", zipped, "a.csv is a ZIP archive, not CSV."),
    BadFile("tar named .txt", "a.txt", tarred, "a.txt is a tar archive, not a text file."),
    BadFile("Parquet named .csv", "a.csv", parquet, "a.csv is a Parquet file, not CSV."),
    BadFile("JSON named .csv", "a.csv", content(LINES), "a.csv is JSON, not CSV."),
    BadFile("CSV named .jsonl", "a.jsonl", content("id,text\n1,a\n"), "Line 1 of a.jsonl is not valid JSON"),
    BadFile("gzip named .csv", "a.csv", packed("gzip", b"text\na\n"), "a.csv is packed with gzip, not CSV."),
    BadFile("CSV named .gz", "a.csv.gz", content("text\na\n"), "a.csv.gz is not packed with gzip"),
    BadFile(
        "gzip cut off",
        "a.csv.gz",
        packed("gzip", noise_text := b"text\n" + bytes(range(97, 123)) * 9999, 0.5),
        "a.csv.gz",
    ),
    BadFile("zstd cut off", "a.csv.zst", packed("zstd", LETTERS, 0.5), "a.csv.zst is cut off"),
    BadFile(
        "over the unpacked limit",
        "a.txt.gz",
        packed("gzip", b"hello\n" * 10_000_000),
        "a.txt.gz is over 0.05 GB when it is unpacked.",
        {"unpacked_limit_bytes": 50 * 10**6},
    ),
    BadFile("pickle named .csv", "a.csv", content(b"\x80\x04\x95\x00\x00"), "a.csv is a Python pickle, not CSV."),
)


@contextmanager
def reader() -> Iterator[Child]:
    child = Child("datasets_app.ingest.child", memory_limit_bytes=MEMORY_BYTES)
    with suppress(JobError):  # what it takes to start the process is not what is measured
        list(child.run({"do": "preview", "path": "/dev/null", "kind": "csv", "name": "nothing"}))
    try:
        yield child
    finally:
        child.close()


def refused(bad: BadFile, folder: Path, child: Child) -> Refusal:
    """Import it as a worker does. Raises ChildDied where that needs more than 1 GiB."""
    out = folder / "out"
    out.mkdir()
    path = folder / bad.name
    bad.make(path)
    request = {"do": "import", "path": str(path), "kind": kind_of(bad.name).value, "name": bad.name}
    peak, is_over = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(child.pid, peak, is_over))
    watcher.start()
    before = cpu_seconds(child)
    try:
        list(child.run(request | {"out": str(out), "stem": "x", "options": bad.options}))
    except JobError as error:
        return Refusal(error, cpu_seconds(child) - before, peak[0])
    finally:
        is_over.set()
        watcher.join()
    raise AssertionError(f"{bad.what}: it was read")


def cpu_seconds(child: Child) -> float:
    """What it takes by itself, whatever else the machine is doing."""
    times = psutil.Process(child.pid).cpu_times()
    return float(times.user + times.system)


def watch(pid: int | None, peak: list[int], is_over: threading.Event) -> None:
    process = psutil.Process(pid)
    with suppress(psutil.Error):
        while not is_over.wait(LOOK_SECONDS):
            peak[0] = max(peak[0], process.memory_info().rss)


def main() -> None:
    sys.stdout.write("| bad input | file | what is said | what to do |\n|---|---|---|---|\n")
    with reader() as child:
        for bad in BAD_FILES:
            with tempfile.TemporaryDirectory() as folder:
                error = refused(bad, Path(folder), child).error
            sys.stdout.write(f"| {bad.what} | `{bad.name}` | {cell(str(error))} | {cell(error.advice)} |\n")


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    main()
