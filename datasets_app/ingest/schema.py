"""Column types: which ones rows are read as, how those of two blocks or files agree, and which column is the text."""

import base64
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datasets_app.errors import JobError
from datasets_app.ingest.messages import is_messages, message_keys

MOST_COLUMNS = 2000
LONGEST_NAME = 200
SHOWN_CHARACTERS = 40
# The most telling name first.
TEXT_NAMES = ("text", "content", "body", "document", "article", "raw_content", "sentence", "passage")


class Conflict(NamedTuple):
    column: str  # a.b for a part of a nested one
    ours: pa.DataType
    theirs: pa.DataType


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type a column is stored in: every way to hold a text becomes `string`, nested types stay as they are."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Without metadata: it is of no use here, and pandas and Spark put things there that change from run to run."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def unite(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """The schema that holds the values of all: new columns are added, whole numbers become numbers, nothing is lost.

    Raises pa.ArrowTypeError when a column has types that do not go together.
    """
    return pa.unify_schemas(list(schemas), promote_options="permissive")


def common_schema(schemas: dict[str, pa.Schema]) -> pa.Schema:
    """The schema for the files of one dataset, by file name. Raises JobError naming the first column at odds."""
    common, first_name = pa.schema([]), ""
    for name, schema in schemas.items():
        if odds := conflict(common, schema):
            raise JobError(
                f'The column "{odds.column}" holds {in_words(odds.theirs)} in {name}, '
                f"but {in_words(odds.ours)} in {first_name}.",
                "Give the column the same type in every file, or bring the files in as separate datasets.",
            )
        common = unite([common, schema])
        first_name = first_name or name
    return common


def conflict(ours: pa.Schema, theirs: pa.Schema) -> Conflict | None:
    """The first column, or part of a nested one, whose types do not go together."""
    return _conflict(pa.struct(list(ours)), pa.struct(list(theirs)), "")


def _conflict(ours: pa.DataType, theirs: pa.DataType, path: str) -> Conflict | None:
    try:
        unite([pa.schema([("", ours)]), pa.schema([("", theirs)])])
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return next(filter(None, _conflicts_within(ours, theirs, path)), Conflict(path, ours, theirs))
    return None


def _conflicts_within(ours: pa.DataType, theirs: pa.DataType, path: str) -> Iterator[Conflict | None]:
    if pa.types.is_struct(ours) and pa.types.is_struct(theirs):
        for field in theirs:
            if ours.get_field_index(field.name) >= 0:
                yield _conflict(ours.field(field.name).type, field.type, f"{path}.{field.name}".lstrip("."))
    elif pa.types.is_list(ours) and pa.types.is_list(theirs):
        yield _conflict(ours.value_type, theirs.value_type, path)


def refuse_unknown_columns(names: list[str], schema: pa.Schema | None, source_name: str) -> None:
    unknown = [] if schema is None else [column for column in names if column not in schema.names]
    if unknown:
        raise JobError(
            f'{source_name} has the column "{unknown[0]}", which the dataset does not have.',
            "Give all files of a dataset the same columns.",
        )


def refuse_odd_names(names: list[str], source_name: str) -> None:
    """Names that no table can show, and more columns than one can hold."""
    if len(names) > MOST_COLUMNS:
        raise too_many_columns(source_name)
    for name in names:
        if "\0" in name:
            raise JobError(
                f"{source_name} has a column with a NUL character in its name, {name[:SHOWN_CHARACTERS]!a}.",
                "Rename the column.",
            )
        if len(name) > LONGEST_NAME:
            raise JobError(
                f"{source_name} has a column with a name of over {LONGEST_NAME} characters, "
                f'"{name[:SHOWN_CHARACTERS]}…".',
                "Rename the column; if that is no name, say that the file has no header.",
            )


def too_many_columns(where: str) -> JobError:
    return JobError(
        f"{where} has over {MOST_COLUMNS:,} different names of columns.",
        'Write what varies from row to row as a list of {"name": ..., "value": ...} objects.',
    )


def names_within(kind: pa.DataType) -> Iterator[str]:
    """The names of the fields at every depth."""
    for index in range(kind.num_fields):
        field = kind.field(index)
        if pa.types.is_struct(kind):
            yield field.name
        yield from names_within(field.type)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table into a schema that knows its columns: order and types, and nulls for what is missing.

    Raises pa.ArrowInvalid or pa.ArrowNotImplementedError when a column cannot be converted.
    """
    if not schema.names:
        return table.select([])  # which keeps the number of rows
    return pa.Table.from_arrays([_column(table, field) for field in schema], schema=schema)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
    column = table.column(field.name)
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column if column.type == field.type else column.cast(field.type)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def text_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if is_text(field.type)]


def chat_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if is_messages(str(field.type))]


def text_bytes(table: pa.Table) -> dict[str, int]:
    """Bytes of text by column; of chats, of what is said in them."""
    texts = {name: table[name].chunks for name in text_columns(table.schema)}
    chats = {name: [words_of(chunk) for chunk in table[name].chunks] for name in chat_columns(table.schema)}
    return {name: sum(map(_bytes, chunks)) for name, chunks in (texts | chats).items()}


def words_of(messages: pa.Array) -> pa.Array:
    """What is said in all messages of such a column, one after the other."""
    keys = message_keys(str(messages.type))
    assert keys is not None, "a column of messages"
    return pc.struct_field(messages.flatten(), keys[1])


def _bytes(texts: pa.Array) -> int:
    return pc.sum(pc.binary_length(texts)).as_py() or 0


def propose_text_column(bytes_by_column: dict[str, int]) -> str | None:
    """The column to tokenize: one with a telling name, else the one with most text; None without any text."""
    amounts = {name: amount for name, amount in bytes_by_column.items() if amount}
    named = {name.lower(): name for name in reversed(amounts)}
    for telling in TEXT_NAMES:
        if telling in named:
            return named[telling]
    return max(amounts, key=amounts.__getitem__, default=None)


def columns_of(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


def dump_schema(schema: pa.Schema) -> str:
    """A schema as text, for a JSON message or field."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def load_schema(dumped: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(dumped)))


def in_words(kind: pa.DataType) -> str:
    """What a column holds, for somebody who has never heard of Arrow."""
    words = (
        (is_text, "text"),
        (pa.types.is_boolean, "true or false"),
        (pa.types.is_integer, "whole numbers"),
        (pa.types.is_floating, "numbers"),
        (pa.types.is_decimal, "numbers"),
        (pa.types.is_null, "nothing"),
        (pa.types.is_list, "lists"),
        (pa.types.is_struct, "objects"),
        (pa.types.is_temporal, "dates or times"),
    )
    return next((word for matches, word in words if matches(kind)), str(kind))
