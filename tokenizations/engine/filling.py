"""What a template such as `{question}\n\n{answer}` makes of the columns of a batch."""

from collections.abc import Mapping
from functools import reduce
from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from tokenizations.engine.columns import columns_in


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
