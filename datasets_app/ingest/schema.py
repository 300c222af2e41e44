"""Column types: which ones parts are stored in, how those of two blocks or files agree, and which column is the text."""

import base64
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from datasets_app.errors import JobError

# The most telling name first.
TEXT_NAMES = ("text", "content", "body", "document", "article", "raw_content", "sentence", "passage")


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
        column = conflict(common, schema)
        if column is not None:
            ours, theirs = in_words(common.field(column).type), in_words(schema.field(column).type)
            raise JobError(
                f'The column "{column}" holds {theirs} in {name} but {ours} in {first_name}.',
                "Give the column the same type in every file, or bring the files in as separate datasets.",
            )
        common = unite([common, schema])
        first_name = first_name or name
    return common


def conflict(ours: pa.Schema, theirs: pa.Schema) -> str | None:
    """The first column whose types do not go together, if there is one."""
    for field in theirs:
        if field.name in ours.names:
            try:
                unite([pa.schema([ours.field(field.name)]), pa.schema([field])])
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                return str(field.name)
    return None


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring a table into a schema: columns in its order and types, nulls for those that are missing.

    Raises pa.ArrowInvalid when a value does not fit, and KeyError(name) for a column that the schema lacks.
    """
    for name in table.column_names:
        if name not in schema.names:
            raise KeyError(name)
    return pa.table([_column(table, field) for field in schema], schema=schema)


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


def text_bytes(table: pa.Table) -> dict[str, int]:
    """Bytes of text by column."""
    return {name: pc.sum(pc.binary_length(table[name])).as_py() or 0 for name in text_columns(table.schema)}


def propose_text_column(sample: pa.Table) -> str | None:
    """The column to tokenize: one with a telling name, else the one with most text; None without any text."""
    amounts = {name: amount for name, amount in text_bytes(sample).items() if amount}
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
