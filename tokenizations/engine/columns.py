"""Templates such as `{question}\n\n{answer}`: which columns they name, and what they make of a row."""

from collections.abc import Mapping
from functools import reduce
from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import Spec

HOW_TO_WRITE = "Write column names in braces, such as {question}, and {{ for a brace."


def columns_of(spec: Spec) -> tuple[str, ...]:
    """The columns that the text of a row is made of. Raises OptionError for a template that is none."""
    return columns_in(spec.template) if spec.template else (spec.text_column,)


def columns_in(template: str) -> tuple[str, ...]:
    """Each column once, in the order of the template. Raises OptionError if it names none, or is not a template."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise OptionError("template", f"The template is broken: {error}.", HOW_TO_WRITE) from None
    if any(conversion or format_spec for _, _, format_spec, conversion in pieces):
        raise OptionError("template", "The template does more than name columns.", HOW_TO_WRITE)
    names = tuple(dict.fromkeys(name for _, name, _, _ in pieces if name is not None))
    if not all(names) or not names:
        raise OptionError("template", "The template names no column.", HOW_TO_WRITE)
    return names


def fill(template: str, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The text of each row, as large_string: that of several columns may come to over 2 GiB.

    The columns are of text. One that is null counts as empty; where all of them are empty, so is the row: null.
    Raises OptionError as `columns_in` does, and KeyError for a column that is not given.
    """
    texts = {name: columns[name].cast(pa.large_string()) for name in columns_in(template)}
    pieces: list[pa.Array | pa.Scalar] = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(pa.scalar(literal, pa.large_string()))
        if name is not None:
            pieces.append(texts[name])
    nothing = pa.scalar("", pa.large_string())
    joined = pc.binary_join_element_wise(*pieces, nothing, null_handling="replace", null_replacement="")
    return pc.if_else(reduce(pc.or_, map(_has_text, texts.values())), joined, pa.scalar(None, pa.large_string()))


def _has_text(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.not_equal(pc.binary_length(column), 0), False)
