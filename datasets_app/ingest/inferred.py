"""Files that do not say what type their columns have: the first block settles it, and a later one may widen it."""

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

import pyarrow as pa

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import Block
from datasets_app.ingest.rejects import Fault, Rejects
from datasets_app.ingest.source import PARSE_ERRORS, Chunk, SchemaChanged


class Format(Protocol):
    def settle(self, block: Block) -> pa.Schema:
        """The schema that this block alone would have."""

    def widen(self, schema: pa.Schema, block: Block) -> pa.Schema:
        """The schema that holds this block as well; raises one of PARSE_ERRORS if there is none."""

    def parse(self, block: Block, schema: pa.Schema) -> pa.Table:
        """Raises one of PARSE_ERRORS for a block that does not fit."""

    def faults(self, block: Block, schema: pa.Schema | None, *, is_binding: bool) -> Iterator[Fault]:
        """The bad rows of a block that did not parse: the unsound ones, or else those that do not fit. Slow."""

    def without(self, block: Block, faults: list[Fault]) -> Block:
        """The block as if these rows were blank lines."""

    def diagnose(self, block: Block, schema: pa.Schema | None, error: Exception) -> JobError:
        """Say in words, with the line, why a block did not parse. Slow."""


def read_inferred(blocks: Iterator[Block], form: Format, schema: pa.Schema | None, rejects: Rejects) -> Iterator[Chunk]:
    """Rows of each block, in one schema: `schema`, which is then binding, or that of the first block.

    Raises SchemaChanged, having looked through the whole rest of the file, when the first block's is too narrow.
    """
    is_binding = schema is not None
    for block in blocks:
        table, own = None, schema or pa.schema([])
        while table is None and not is_blank(block):
            try:
                own = form.settle(block) if schema is None else schema
                table = form.parse(block, own)
            except PARSE_ERRORS as error:
                is_known = schema is None or is_binding
                if sound := sifted(block, form, schema, rejects, is_binding=is_binding, also_misfits=is_known):
                    block = sound
                    continue
                if is_known:
                    raise form.diagnose(block, schema, error) from error
                yield from _look_through(chain([block], blocks), form, own, rejects)
                return
        schema = schema if table is None else own
        yield Chunk(table, block.end)


def _look_through(blocks: Iterator[Block], form: Format, schema: pa.Schema, rejects: Rejects) -> Iterator[Chunk]:
    for block in blocks:
        wider = None
        while wider is None and not is_blank(block):
            try:
                wider = form.widen(schema, block)
            except PARSE_ERRORS as error:
                sound = sifted(block, form, schema, rejects, is_binding=False, also_misfits=True)
                if sound is None:
                    raise form.diagnose(block, schema, error) from error
                block = sound
        schema = schema if wider is None else wider
        yield Chunk(None, block.end)
    raise SchemaChanged(schema)


def is_blank(block: Block) -> bool:
    # Which pyarrow takes for an error. Hardly any block begins with a line break, and stripping copies.
    return block.data[:1] in (b"", b"\r", b"\n") and not block.data.strip(b"\r\n")


def sifted(
    block: Block, form: Format, schema: pa.Schema | None, rejects: Rejects, *, is_binding: bool, also_misfits: bool
) -> Block | None:
    """The block without its bad rows, which are set aside; None if there are none, or none may be."""
    if not rejects.limit:
        return None
    found = []
    for fault in form.faults(block, schema, is_binding=is_binding):
        if fault.is_misfit and not also_misfits:
            break
        rejects.add(fault.line, fault.error, block.data[fault.start : fault.end])
        found.append(fault)
    return form.without(block, found) if found else None
