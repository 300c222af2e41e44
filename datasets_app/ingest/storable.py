"""Parquet cannot hold objects without any field, such as an empty `metadata`: they are stored as nulls."""

import pyarrow as pa


def storable(table: pa.Table) -> pa.Table:
    schema = pa.schema([pa.field(field.name, _storable_type(field.type)) for field in table.schema])
    if schema.equals(table.schema):
        return table
    columns = [
        pa.chunked_array([_storable(chunk, field.type) for chunk in column.chunks], field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _storable_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        fields = [field.with_type(_storable_type(field.type)) for field in kind]
        return pa.struct(fields) if fields else pa.null()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_storable_type(kind.value_type)))
    return kind


def _storable(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type.equals(kind):
        return array
    if pa.types.is_null(kind):
        return pa.nulls(len(array))
    if pa.types.is_list(kind):
        values = _storable(array.values, kind.value_type)
        return pa.ListArray.from_arrays(array.offsets, values, type=kind, mask=array.is_null())
    parts = [_storable(array.field(field.name), field.type) for field in kind]
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
