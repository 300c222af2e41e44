"""CSV and TSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import Block, no_text_in, read_blocks, refuse_nul
from datasets_app.ingest.inferred import read_inferred
from datasets_app.ingest.options import Delimiter
from datasets_app.ingest.plain_csv import read_csv
from datasets_app.ingest.prefetching import ahead
from datasets_app.ingest.quoted_texts import read_quoted_texts
from datasets_app.ingest.quoting import cut_after_record, unclosed_quote
from datasets_app.ingest.rejects import Fault, Rejects
from datasets_app.ingest.schema import conform, in_words, is_text, refuse_odd_names, refuse_unknown_columns, unite
from datasets_app.ingest.separators import seems_delimited_by, seems_to_have_a_header
from datasets_app.ingest.sizes import refuse_too_long
from datasets_app.ingest.source import ROW_TEXT_BYTES, Chunk, Source, column_twice, empty, in_a_sentence, too_long
from datasets_app.ingest.streams import head

SHOWN_CHARACTERS = 60
FIRST_ROUNDED = 1 << 53
UNCLOSED_ADVICE = "Close the quote, or double it if it belongs to the text; split documents of over 16 MiB."
NULLS = frozenset(arrow_csv.ConvertOptions().null_values)

csv.field_size_limit(4 * ROW_TEXT_BYTES)


class Record(NamedTuple):
    line: int
    cells: list[str]
    start: int  # bytes of the block before this record
    end: int


def read_delimited(source: Source, schema: pa.Schema | None, rejects: Rejects) -> Iterator[Chunk]:
    """Rows of a CSV or TSV file.

    Column types are inferred from the first block; dates stay text, as they are written. A given schema is binding.
    """
    style = style_of(source)
    delimiter = style.delimiter.character
    blocks = read_blocks(source, lambda data: cut_after_record(data, delimiter.encode()), UNCLOSED_ADVICE)
    first = next(blocks, None)
    if first is None:
        raise empty(source.name)
    names, body = _split_header(first, delimiter, source.name)
    if not style.has_header:
        names, body = [f"column_{index}" for index in range(1, len(names) + 1)], first
    elif twice := column_twice(names):
        raise JobError(f'The header of {source.name} has the column "{twice}" twice.', "Give each column its own name.")
    refuse_odd_names(names, source.name)
    refuse_unknown_columns(names, schema, source.name)
    form = Delimited(source.name, style, names)
    yield from read_inferred(ahead(_closed(chain([body], blocks), form)), form, schema, rejects)


class Style(NamedTuple):
    delimiter: Delimiter
    has_header: bool


def style_of(source: Source) -> Style:
    """What the options say, and the rest as the beginning of the file has it."""
    said = source.options
    start = head(source)
    delimiter = said.delimiter or seems_delimited_by(start, source.kind)
    has_header = seems_to_have_a_header(start, delimiter) if said.header is None else said.header
    return Style(delimiter, has_header)


@dataclass(frozen=True)
class Delimited:
    name: str
    style: Style
    names: list[str]

    @property
    def delimiter(self) -> str:
        return self.style.delimiter.character

    def settle(self, block: Block) -> pa.Schema:
        return self._settled(self._read(block, {}))

    def widen(self, schema: pa.Schema, block: Block) -> pa.Schema:
        # Whatever is written in a text column is text, also where it looks like a number.
        texts = {field.name: field.type for field in schema if is_text(field.type)}
        return unite([schema, self._settled(self._read(block, texts))])

    def parse(self, block: Block, schema: pa.Schema) -> pa.Table:
        types = {field.name: field.type for field in schema if field.name in self.names}
        table = conform(self._read(block, types), schema)
        refuse_too_long(block.data, table)
        return table

    def faults(self, block: Block, schema: pa.Schema | None, *, is_binding: bool) -> Iterator[Fault]:
        unsound = False
        for record in records(block, self.delimiter):
            if error := self._flaw(block, record):
                unsound = True
                yield Fault(record.start, record.end, record.line, error)
        if unsound or schema is None:
            return
        for record in records(block, self.delimiter):
            if record.cells and (error := self._mismatch(record, schema)):
                yield Fault(record.start, record.end, record.line, error, is_misfit=True)

    def without(self, block: Block, faults: list[Fault]) -> Block:
        return block.without(faults)

    def diagnose(self, block: Block, schema: pa.Schema | None, error: Exception) -> JobError:
        for record in records(block, self.delimiter):
            if flaw := self._flaw(block, record):
                return flaw
            if record.cells and schema is not None and (problem := self._mismatch(record, schema)):
                return problem
        return JobError(
            f"{self.name} cannot be read after line {block.first_line}: {in_a_sentence(error)}.", "Repair it."
        )

    def _flaw(self, block: Block, record: Record) -> JobError | None:
        """What is wrong with a record by itself."""
        data = block.data[record.start : record.end]
        if damage := no_text_in(Block(data, record.line, 0), self.name):
            return damage
        if record.cells and len(record.cells) != len(self.names):
            return self._ragged(record)
        is_long = len(data) > ROW_TEXT_BYTES and sum(map(len, record.cells)) > ROW_TEXT_BYTES
        return too_long(f"The row on line {record.line} of {self.name}") if is_long else None

    def _read(self, block: Block, types: dict[str, pa.DataType]) -> pa.Table:
        refuse_nul(block.data)
        if block.quotes is not None and len(types) == len(self.names):
            in_order = {name: types[name] for name in self.names}
            table = read_quoted_texts(block.data, block.quotes, self.delimiter, in_order)
            if table is not None:
                return table
        return read_csv(pa.py_buffer(block.data), self.delimiter, self.names, types)

    def _settled(self, table: pa.Table) -> pa.Schema:
        return pa.schema([(name, self._settled_type(table[name], name)) for name in table.column_names])

    def _settled_type(self, column: pa.ChunkedArray, name: str) -> pa.DataType:
        kind = column.type
        if pa.types.is_binary(kind):
            raise pa.ArrowInvalid(f'column "{name}" is not UTF-8')
        # Numbers of so many digits are names of something, and would be rounded.
        is_exact = not pa.types.is_floating(kind) or (pc.max(pc.abs(column)).as_py() or 0) < FIRST_ROUNDED
        is_number = pa.types.is_integer(kind) or (pa.types.is_floating(kind) and is_exact)
        return kind if is_number or pa.types.is_boolean(kind) else pa.string()

    def _ragged(self, record: Record) -> JobError:
        return JobError(
            f"Line {record.line} of {self.name} has {_values(len(record.cells))}, "
            f"the {'header' if self.style.has_header else 'first line'} has {len(self.names)}.",
            f"Put quotes around a value with a {self.style.delimiter} or a line break in it, or repair the line.",
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
    end = start = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for line in io.StringIO(block.data.decode("latin-1"), newline=""):
            end += len(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    line = block.first_line
    for cells in reader:
        yield Record(line, cells, start, end)
        line, start = block.first_line + reader.line_num, end


def _split_header(block: Block, delimiter: str, name: str) -> tuple[list[str], Block]:
    header = next((record for record in records(block, delimiter) if record.cells), None)
    if header is None:
        raise empty(name)
    if damage := no_text_in(block.with_data(block.data[: header.end]), name):
        raise damage
    names = [cell.encode("latin-1").decode() or f"column_{index}" for index, cell in enumerate(header.cells, 1)]
    rest = block.data[header.end :]
    first_line = block.first_line + len(block.data[: header.end].splitlines())
    return names, replace(block.with_data(rest), first_line=first_line)


def _closed(blocks: Iterator[Block], form: Delimited) -> Iterator[Block]:
    for block in blocks:
        if block.is_last and (quote := unclosed_quote(block.data, form.delimiter.encode())) is not None:
            line = block.first_line + block.data.count(b"\n", 0, quote)
            raise JobError(f"The quote opened on line {line} of {form.name} is never closed.", UNCLOSED_ADVICE)
        yield block


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
