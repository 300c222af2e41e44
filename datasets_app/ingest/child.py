"""Reading foreign files and training, in a watched process of its own: `python -m datasets_app.ingest.child`."""

import hashlib
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from datasets_app.children import Message, serve
from datasets_app.errors import JobError, disk_full_explained
from datasets_app.ingest.files import read_rows
from datasets_app.ingest.kept import keep_parquet
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import ReadingOptions
from datasets_app.ingest.parts import PartFacts, PartWriter
from datasets_app.ingest.preview import PREVIEW_ROWS, preview
from datasets_app.ingest.rejects import SUFFIX, Rejects
from datasets_app.ingest.sample import write_sample
from datasets_app.ingest.schema import load_schema
from datasets_app.ingest.source import SchemaChanged, Source

REPORT_SECONDS = 0.25
LONGEST_SENTENCE = 600


def handle(request: Message) -> Iterator[Message]:
    try:
        with disk_full_explained():
            yield from _answer(request)
    except JobError as error:
        # It may quote the file, which is not to turn a page around, and not all that it holds fits a database.
        raise JobError(inert(str(error)), inert(error.advice)) from error


def inert(text: str) -> str:
    """Without invisible characters and halves of surrogate pairs, and not over long."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown if len(shown) <= LONGEST_SENTENCE else f"{shown[:LONGEST_SENTENCE]}…"


def _answer(request: Message) -> Iterator[Message]:
    match request["do"]:
        case "import":
            yield from _import(request)
        case "preview":
            yield {"done": preview(_source(request), request.get("rows", PREVIEW_ROWS)).to_dict()}
        case "cut":
            yield {
                "done": {"part": _cut(Path(request["path"]), request["rows"], Path(request["out"]), request["stem"])}
            }
        case "sample":
            yield from _sample(Path(request["out"]), request["stem"])
        case other:
            raise ValueError(f"nobody knows how to {other}")


def _import(request: Message) -> Iterator[Message]:
    source, folder, stem = _source(request), Path(request["out"]), request["stem"]
    schema = load_schema(request["schema"]) if request.get("schema") else None
    yield {"stage": "Reading"}
    if schema is None and (yield from _keep(source, folder, stem)):
        return
    while True:
        try:
            yield from _write(source, schema, folder, stem)
            return
        except SchemaChanged as change:
            schema = change.schema


def _keep(source: Source, folder: Path, stem: str) -> Generator[Message, None, bool]:
    """Whether the file could become a part as it is."""
    reported, rows = time.monotonic(), 0
    for step in keep_parquet(source, folder, stem):
        if isinstance(step, PartFacts):
            yield {"done": {"counts": _counts(step.rows, source.bytes), "parts": [step.to_dict()], "files": []}}
            return True
        rows += step.table.num_rows if step.table else 0
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            yield {"counts": _counts(rows, step.bytes_read)}
    return False


def _write(source: Source, schema: pa.Schema | None, folder: Path, stem: str) -> Iterator[Message]:
    reported, most = time.monotonic(), source.options.rows
    rejected = Rejects(source.options.bad_rows, source.name, folder / f"{stem}{SUFFIX}")
    with rejected as rejects, PartWriter(folder, stem, source.name) as writer:
        for chunk in read_rows(source, schema, rejects):
            if chunk.table is not None:
                writer.add(chunk.table if most is None else chunk.table.slice(0, most - writer.rows))
            if writer.rows == most:
                break
            if time.monotonic() - reported >= REPORT_SECONDS:
                reported = time.monotonic()
                yield {"counts": _counts(writer.rows, chunk.bytes_read, rejects.count)}
        yield {"stage": "Saving"}
        parts = [part.to_dict() for part in writer.finish()]
        files = rejects.finish()
    yield {"done": {"counts": _counts(writer.rows, source.bytes, rejects.count), "parts": parts, "files": files}}


def _cut(path: Path, rows: int, folder: Path, stem: str) -> Message:
    """The first rows of a part as another one, which is no larger."""
    with parquet.ParquetFile(path) as file, PartWriter(folder, stem, path.name) as writer:
        for batch in file.iter_batches():
            writer.add(pa.Table.from_batches([batch]).slice(0, rows - writer.rows))
            if writer.rows == rows:
                break
        (part,) = writer.finish()
    return part.to_dict()


def _sample(folder: Path, stem: str) -> Iterator[Message]:
    """Make the sample and import it at once: the parts of both splits, and the tokenizers as further files."""
    made: Message = {}
    for message in write_sample(folder):
        made = message.get("done", made)
        if "done" not in message:
            yield message
    parts: list[Message] = []
    for file in made["files"]:
        source = Source(folder / file["name"], Kind(file["kind"]), file["name"])
        for message in _write(source, None, folder, f"{stem}-{file['split']}"):
            if "done" in message:
                parts += [{**part, "split": file["split"]} for part in message["done"]["parts"]]
    yield {"stage": "Saving"}
    files = [_tokenizer_file(folder, stem, tokenizer) for tokenizer in made["tokenizers"]]
    rows = sum(part["rows"] for part in parts)
    size = sum(file["bytes"] for file in made["files"])
    yield {"done": {"counts": _counts(rows, size), "parts": parts, "files": files}}


def _tokenizer_file(folder: Path, stem: str, tokenizer: Message) -> Message:
    name = f"{stem}-{tokenizer['file']}"
    content = (folder / tokenizer["file"]).rename(folder / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"role": "tokenizer", "name": name, "title": tokenizer["name"], "bytes": len(content), "sha256": digest}


def _source(request: Message) -> Source:
    options = ReadingOptions.of(request.get("options") or {})
    return Source(Path(request["path"]), Kind(request["kind"]), request["name"], options)


def _counts(rows: int, source_bytes: int, errored: int = 0) -> dict[str, Any]:
    nothing = dict.fromkeys(("filtered", "tokens_processed", "tokens", "sequences"), 0)
    processed = {"processed": rows + errored, "kept": rows, "errored": errored}
    return {**processed, "bytes": source_bytes, "reasons": {}, **nothing}


if __name__ == "__main__":
    serve(handle)
