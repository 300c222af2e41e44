"""JSON: a line for each object, an array of objects, or objects one after the other."""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from datasets_app.errors import JobError
from datasets_app.ingest import elements
from datasets_app.ingest.blocks import LINE_END, Block, no_text_in, read_blocks, refuse_nul
from datasets_app.ingest.inferred import read_inferred
from datasets_app.ingest.layouts import layout_of
from datasets_app.ingest.options import Layout
from datasets_app.ingest.prefetching import ahead
from datasets_app.ingest.rejects import Fault, Rejects
from datasets_app.ingest.schema import (
    MOST_COLUMNS,
    conflict,
    conform,
    in_words,
    names_within,
    refuse_odd_names,
    too_many_columns,
    unite,
)
from datasets_app.ingest.sizes import refuse_too_long, text_of_row
from datasets_app.ingest.source import (
    PARSE_ERRORS,
    ROW_TEXT_BYTES,
    Chunk,
    Source,
    in_a_sentence,
    not_utf8,
    too_long,
    with_nul,
)

OBJECT = re.compile(rb"^[ \t]*+\{", re.MULTILINE)
NOT_AN_OBJECT = re.compile(rb"^[ \t]*+[^{ \t\r\n]", re.MULTILINE)
OPENING, CLOSING = b"{}"
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
DEEPEST_SAFE = 500
# pyarrow writes deeper schemas than it reads.
DEEPEST = 32
SMALLEST_TOO_LARGE = 1 << 63
LONGEST_WHOLE = len(str(-SMALLEST_TOO_LARGE))
SHOWN_DIGITS = 30
NAME = re.compile(rb'"([^"\\]*)"\s*:')


def read_objects(source: Source, schema: pa.Schema | None, rejects: Rejects) -> Iterator[Chunk]:
    """Rows of a JSON file, whichever way its objects follow each other; the extension does not matter.

    A given schema is binding. Otherwise the first block's is widened as far as need be: a column may come later or be
    null at first, and whole numbers may become numbers. Dates stay text, as they are written.
    """
    layout = source.options.layout or layout_of(source)
    blocks: Iterator[Block] = elements.read_elements(source, layout)
    if layout is Layout.LINES:
        blocks = read_blocks(source, rejects=rejects)
        if not rejects.limit:  # else both threads would set rows aside, in any order
            blocks = ahead(blocks)
    yield from read_inferred(blocks, Objects(source.name), schema, rejects)


@dataclass(frozen=True)
class Objects:
    name: str

    def settle(self, block: Block) -> pa.Schema:
        return self._infer(block)

    def widen(self, schema: pa.Schema, block: Block) -> pa.Schema:
        return unite([schema, self._infer(block)])

    def parse(self, block: Block, schema: pa.Schema) -> pa.Table:
        table = conform(_read(block.data, schema), schema)
        refuse_too_long(block.data, table)
        if any(_may_be_inexact(chunk) for column in table.columns for chunk in column.chunks):
            self._refuse_inexact(block)
        return table

    def _refuse_inexact(self, block: Block) -> None:
        """pyarrow takes NaN for a number, and rounds whole numbers of many digits."""
        if any(_problem("", record) for _, record in block.records()):
            raise pa.ArrowInvalid("a number cannot be kept as it is")

    def _infer(self, block: Block) -> pa.Schema:
        # Before pyarrow makes a column of each, with a place for every row.
        if len(set(NAME.findall(block.data))) > MOST_COLUMNS:
            raise too_many_columns(self.name)
        schema = _infer(block.data)
        refuse_odd_names(list(names_within(pa.struct(list(schema)))), self.name)
        return schema

    def faults(self, block: Block, schema: pa.Schema | None, *, is_binding: bool) -> Iterator[Fault]:
        spans = list(block.spans())
        unsound = False
        for place, start, end, line in spans:
            if error := _problem(f"{place} of {self.name}", block.data[start:end]):
                unsound = True
                yield Fault(start, end, line, error)
        for place, start, end, line in [] if unsound else spans:
            fits = _fitting(schema or pa.schema([]), block.data[start:end], is_binding=is_binding)
            if fits is None:
                error = self._misfit([(place, block.data[start:end])], schema or pa.schema([]), ValueError("no"))
                yield Fault(start, end, line, error, is_misfit=True)
            else:
                schema = fits

    def without(self, block: Block, faults: list[Fault]) -> Block:
        return block.without(faults)

    def diagnose(self, block: Block, schema: pa.Schema | None, error: Exception) -> JobError:
        if damage := no_text_in(block, self.name):
            return damage
        records = list(block.records())
        for place, record in records:
            if problem := _problem(f"{place} of {self.name}", record):
                return problem
        return self._misfit(records, schema or pa.schema([]), error)

    def _misfit(self, records: list[tuple[str, bytes]], schema: pa.Schema, error: Exception) -> JobError:
        """Each object is sound by itself: find the first one that does not go with the schema and those before."""
        texts = [text for _, text in records]
        tests: tuple[Callable[[bytes], object], ...] = (
            lambda data: unite([schema, _infer(data)]),
            lambda data: _read(data, schema),
        )
        for test in tests:
            if (index := _first_misfit(texts, test)) is not None:
                place, text = records[index]
                so_far = unite([schema, _infer(b"\n".join(texts[:index]))]) if index else schema
                where = f"{place} of {self.name}"
                return _contradiction(where, so_far, text) or _unreadable(where, error)
        return _unreadable(self.name, error)


def _fitting(schema: pa.Schema, text: bytes, *, is_binding: bool) -> pa.Schema | None:
    """The schema that holds this object too, None if there is none."""
    try:
        if is_binding:
            conform(_read(text, schema), schema)
            return schema
        return unite([schema, _infer(text)])
    except PARSE_ERRORS:
        return None


def _first_misfit(texts: list[bytes], test: Callable[[bytes], object]) -> int | None:
    def fails(count: int) -> bool:
        try:
            test(b"\n".join(texts[:count]))
        except PARSE_ERRORS:
            return True
        return False

    index = bisect_left(range(1, len(texts) + 1), True, key=fails)
    return None if index == len(texts) else index


def _contradiction(where: str, schema: pa.Schema, text: bytes) -> JobError | None:
    try:
        own = _infer(text)
    except PARSE_ERRORS:
        return None
    odds = conflict(schema, own)
    unknown = [field.name for field in own if field.name not in schema.names]
    if odds:
        return JobError(
            f'{where} has {in_words(odds.theirs)} in the column "{odds.column}", which holds {in_words(odds.ours)}.',
            "Give the column one type throughout.",
        )
    if unknown:
        return JobError(
            f'{where} has the column "{unknown[0]}", which the dataset does not have.',
            "Give all files of a dataset the same columns, and name each of them in the first rows.",
        )
    return None


def _unreadable(where: str, error: Exception) -> JobError:
    return JobError(f"{where} cannot be read: {in_a_sentence(error)}.", elements.REPAIR_ADVICE)


def _problem(where: str, record: bytes) -> JobError | None:
    """What is wrong with one object by itself."""
    if b"\0" in record:
        return with_nul(where)
    try:
        value = STRICT_DECODER.decode(record.decode())
    except UnicodeDecodeError:
        return not_utf8(where)
    except json.JSONDecodeError as error:
        return elements.not_json(where, error)
    except RecursionError:
        return elements.too_deep(where)
    except _NotJson as error:
        return JobError(f"{where} has {error}, which JSON does not have.", "Write null instead.")
    except _Inexact as error:
        return JobError(f"{where} has the number {error}, which is too large to be kept.", "Write it as a text.")
    except _NameTwice as error:
        return JobError(f'{where} has the name "{error}" twice in one object.', elements.REPAIR_ADVICE)
    if not isinstance(value, dict):
        return elements.not_an_object(where, value)
    if len(record) > ROW_TEXT_BYTES and _text_bytes(record) > ROW_TEXT_BYTES:
        return too_long(where)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return JobError(f"{where} has half of a surrogate pair in a text.", "Remove the damaged character.")
    return None


def _text_bytes(record: bytes) -> int:
    try:
        return text_of_row(_read(record, None), 0)
    except PARSE_ERRORS:
        return 0


class _NameTwice(Exception):
    pass


class _NotJson(Exception):
    pass


class _Inexact(Exception):
    pass


def _refuse_constant(name: str) -> None:
    raise _NotJson(name)


def _whole(digits: str) -> float:
    # Python refuses to convert over 4,300 digits.
    if len(digits) > LONGEST_WHOLE or not -SMALLEST_TOO_LARGE <= int(digits) < SMALLEST_TOO_LARGE:
        raise _Inexact(_shortened(digits))
    return float(digits)


def _number(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise _Inexact(_shortened(digits))
    return number


def _shortened(digits: str) -> str:
    return digits if len(digits) <= SHOWN_DIGITS else f"{digits[:SHOWN_DIGITS]}…"


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, content in pairs:
        if name in value:
            raise _NameTwice(name)
        value[name] = content
    return value


STRICT_DECODER = json.JSONDecoder(
    parse_int=_whole, parse_float=_number, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles
)


def _infer(data: bytes) -> pa.Schema:
    schema = _read(data, None).schema if data else pa.schema([])
    if _depth(pa.struct(list(schema))) > DEEPEST:
        raise pa.ArrowInvalid(f"over {DEEPEST} objects or lists are nested in each other")
    return pa.schema([pa.field(field.name, _dates_as_text(field.type)) for field in schema])


def _read(data: bytes, schema: pa.Schema | None) -> pa.Table:
    refuse_nul(data)
    objects = _count_objects(data, is_deep_fine=schema is not None)
    table = arrow_json.read_json(
        pa.BufferReader(data),
        # One block for pyarrow too: it gives up on a row longer than its block.
        arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        arrow_json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "error"
        ),
    )
    if table.num_rows != objects:
        raise pa.ArrowInvalid("there are several objects on one line")
    table.validate(full=True)  # the parser takes any bytes for UTF-8
    return table


def _count_objects(data: bytes, *, is_deep_fine: bool) -> int:
    """Refuse lines that are no objects: pyarrow takes `null` for a row, or crashes if it is the first one."""
    characters = np.frombuffer(data, np.uint8)
    starts = np.flatnonzero(characters[:-1] == LINE_END) + 1
    if not is_deep_fine:
        _refuse_deep(data, characters, starts)
    if data.startswith(b"{") and (characters[starts] == OPENING).all():
        return len(starts) + 1
    if NOT_AN_OBJECT.search(data):
        raise pa.ArrowInvalid("there is a line without an object")
    return sum(1 for _ in OBJECT.finditer(data))


def _refuse_deep(data: bytes, characters: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp]) -> None:
    """pyarrow crashes on objects that are nested very deeply, unless a schema says how deep they may be."""
    # The two differ in one bit. Of so many in a row the first and the last are on one line, or no line has as many.
    openings = np.flatnonzero(characters & 0xDF == OPENING & 0xDF)[::DEEPEST_SAFE]
    lines = np.searchsorted(starts, openings, "right")
    for line in np.unique(lines[1:][np.diff(lines) == 0]):
        end = starts[line] if line < len(starts) else len(data)
        brackets = np.frombuffer(TEXT.sub(b"", data[starts[line - 1] if line else 0 : end]), np.uint8) & 0xDF
        depth = np.cumsum((brackets == OPENING & 0xDF).astype(np.int32) - (brackets == CLOSING & 0xDF))
        if depth.max(initial=0) > DEEPEST_SAFE:
            raise pa.ArrowInvalid("objects or lists are nested too deeply")


def _dates_as_text(kind: pa.DataType) -> pa.DataType:
    # pyarrow takes a text that looks like a date for one, and refuses the texts after it that do not.
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_dates_as_text(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_dates_as_text(kind.value_type)))
    return pa.string() if pa.types.is_temporal(kind) else kind


def _may_be_inexact(array: pa.Array) -> bool:
    """Whether it has numbers that may not be those that are written: NaN, or too large for a whole number."""
    if pa.types.is_floating(array.type):
        return pc.all(pc.less(pc.abs(array), float(SMALLEST_TOO_LARGE))).as_py() is False
    if pa.types.is_struct(array.type):
        return any(_may_be_inexact(part) for part in array.flatten())
    return bool(pa.types.is_list(array.type)) and _may_be_inexact(array.flatten())


def _depth(kind: pa.DataType) -> int:
    return 1 + max((_depth(kind.field(index).type) for index in range(kind.num_fields)), default=0)
