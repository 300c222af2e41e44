"""Files that do not say what type their columns have: the first block settles it, and a later one may widen it."""

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import Block
from datasets_app.ingest.source import PARSE_ERRORS, Chunk, SchemaChanged


class Format(Protocol):
    def settle(self, block: Block) -> pa.Schema:
        """The schema that this block alone would have."""

    def widen(self, schema: pa.Schema, block: Block) -> pa.Schema:
        """The schema that holds this block as well; raises one of PARSE_ERRORS if there is none."""

    def parse(self, block: Block, schema: pa.Schema) -> pa.Table:
        """Raises one of PARSE_ERRORS for a block that does not fit."""

    def diagnose(self, block: Block, schema: pa.Schema | None, error: Exception) -> JobError:
        """Say in words, with the line, why a block did not parse. Slow."""


def read_inferred(blocks: Iterator[Block], form: Format, schema: pa.Schema | None) -> Iterator[Chunk]:
    """Rows of each block, in one schema: `schema`, which is then binding, or that of the first block.

    Raises SchemaChanged, having looked through the whole rest of the file, when the first block's is too narrow.
    """
    is_binding = schema is not None
    for block in blocks:
        try:
            schema = form.settle(block) if schema is None else schema
            table = form.parse(block, schema)
        except PARSE_ERRORS as error:
            if is_binding or schema is None:
                raise form.diagnose(block, schema, error) from error
            yield from _look_through(chain([block], blocks), form, schema)
            return
        yield Chunk(table, block.end)


def _look_through(blocks: Iterator[Block], form: Format, schema: pa.Schema) -> Iterator[Chunk]:
    for block in blocks:
        try:
            schema = form.widen(schema, block)
        except PARSE_ERRORS as error:
            raise form.diagnose(block, schema, error) from error
        yield Chunk(None, block.end)
    raise SchemaChanged(schema)
