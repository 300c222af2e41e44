"""CSV and TSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import Block, not_utf8_in, read_blocks
from datasets_app.ingest.inferred import read_inferred
from datasets_app.ingest.quoting import cut_after_record, unclosed_quote
from datasets_app.ingest.schema import conform, in_words, is_text, refuse_unknown_columns, unite
from datasets_app.ingest.source import ROW_TEXT_BYTES, Chunk, Kind, Source, column_twice, empty, in_a_sentence

DELIMITERS = {Kind.CSV: ",", Kind.TSV: "\t"}
DELIMITER_WORDS = {",": "comma", "\t": "tab"}
SHOWN_CHARACTERS = 60
UNCLOSED_ADVICE = "Close the quote, or double it if it belongs to the text; split documents of over 16 MiB."
NULLS = frozenset(arrow_csv.ConvertOptions().null_values)

csv.field_size_limit(4 * ROW_TEXT_BYTES)


class Record(NamedTuple):
    line: int
    cells: list[str]
    end: int  # bytes of the block up to the end of this record


def read_delimited(source: Source, schema: pa.Schema | None = None) -> Iterator[Chunk]:
    """Rows of a CSV or TSV file with a header.

    Column types are inferred from the first block; dates stay text, as they are written. A given schema is binding.
    """
    delimiter = DELIMITERS[source.kind]
    blocks = read_blocks(source, lambda data: cut_after_record(data, delimiter.encode()), UNCLOSED_ADVICE)
    first = next(blocks, None)
    if first is None:
        raise empty(source.name)
    names, body = _split_header(first, delimiter, source.name)
    refuse_unknown_columns(names, schema, source.name)
    form = Delimited(source.name, delimiter, names)
    yield from read_inferred(_closed(chain([body], blocks), form), form, schema)


@dataclass(frozen=True)
class Delimited:
    name: str
    delimiter: str
    names: list[str]

    def settle(self, block: Block) -> pa.Schema:
        if _is_blank(block):
            return pa.schema([(name, pa.string()) for name in self.names])
        inferred = self._read(block, {}).schema
        return pa.schema([(field.name, self._settled_type(field)) for field in inferred])

    def widen(self, schema: pa.Schema, block: Block) -> pa.Schema:
        # Whatever is written in a text column is text, also where it looks like a number.
        texts = {field.name: field.type for field in schema if is_text(field.type)}
        return unite([schema, self._read(block, texts).schema])

    def parse(self, block: Block, schema: pa.Schema) -> pa.Table:
        if _is_blank(block):
            return schema.empty_table()
        types = {field.name: field.type for field in schema if field.name in self.names}
        return conform(self._read(block, types), schema)

    def diagnose(self, block: Block, schema: pa.Schema | None, error: Exception) -> JobError:
        if damage := not_utf8_in(block, self.name):
            return damage
        for record in records(block, self.delimiter):
            if record.cells and len(record.cells) != len(self.names):
                return self._ragged(record)
            if schema is not None and (problem := self._mismatch(record, schema)):
                return problem
        return JobError(
            f"{self.name} cannot be read after line {block.first_line}: {in_a_sentence(error)}.", "Repair it."
        )

    def _read(self, block: Block, types: dict[str, pa.DataType]) -> pa.Table:
        return arrow_csv.read_csv(
            pa.BufferReader(block.data),
            # One block for pyarrow too: it gives up on a row longer than its block.
            arrow_csv.ReadOptions(use_threads=False, block_size=len(block.data) + 1, column_names=self.names),
            arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(column_types=types),
        )

    def _settled_type(self, field: pa.Field) -> pa.DataType:
        if pa.types.is_binary(field.type):
            raise pa.ArrowInvalid(f'column "{field.name}" is not UTF-8')
        is_kept = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)
        return field.type if is_kept else pa.string()

    def _ragged(self, record: Record) -> JobError:
        return JobError(
            f"Line {record.line} of {self.name} has {_values(len(record.cells))}, the header has {len(self.names)}.",
            f"Put quotes around a value with a {DELIMITER_WORDS[self.delimiter]} or a line break in it, "
            "or repair the line.",
        )

    def _mismatch(self, record: Record, schema: pa.Schema) -> JobError | None:
        for name, cell in zip(self.names, record.cells, strict=False):
            kind = schema.field(name).type
            if not is_text(kind) and not _is_one(cell, kind):
                shown = cell.encode("latin-1").decode()[:SHOWN_CHARACTERS]
                return JobError(
                    f'Line {record.line} of {self.name} has "{shown}" in the column "{name}", '
                    f"which holds {in_words(kind)} until then.",
                    "Give the column one type throughout: correct the value, or leave it empty if it is unknown.",
                )
        return None


def records(block: Block, delimiter: str) -> Iterator[Record]:
    """The records of a block with their lines, one by one and slowly. Each character of a cell stands for a byte."""
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for line in io.StringIO(block.data.decode("latin-1"), newline=""):
            end += len(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    line = block.first_line
    for cells in reader:
        yield Record(line, cells, end)
        line = block.first_line + reader.line_num


def _split_header(block: Block, delimiter: str, name: str) -> tuple[list[str], Block]:
    header = next((record for record in records(block, delimiter) if record.cells), None)
    if header is None:
        raise empty(name)
    if damage := not_utf8_in(replace(block, data=block.data[: header.end]), name):
        raise damage
    names = [cell.encode("latin-1").decode() or f"column_{index}" for index, cell in enumerate(header.cells, 1)]
    if twice := column_twice(names):
        raise JobError(f'The header of {name} has the column "{twice}" twice.', "Give each column its own name.")
    rest = block.data[header.end :]
    first_line = block.first_line + len(block.data[: header.end].splitlines())
    return names, replace(block, data=rest, first_line=first_line)


def _closed(blocks: Iterator[Block], form: Delimited) -> Iterator[Block]:
    for block in blocks:
        if block.is_last and (quote := unclosed_quote(block.data, form.delimiter.encode())) is not None:
            line = block.first_line + block.data.count(b"\n", 0, quote)
            raise JobError(f"The quote opened on line {line} of {form.name} is never closed.", UNCLOSED_ADVICE)
        yield block


def _is_blank(block: Block) -> bool:
    # pyarrow takes a file without any row for an error.
    return not block.data.strip(b"\r\n")


def _is_one(cell: str, kind: pa.DataType) -> bool:
    if cell in NULLS:
        return True
    try:
        pa.array([cell.strip()]).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
