"""What separates the values of a delimited file, and whether its first row names the columns; by its beginning."""

import csv
import io
from itertools import islice

from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import Delimiter

RECORDS_LOOKED_AT = 50
# More than anybody calls a column.
LONGEST_NAME = 200


def seems_delimited_by(head: bytes, kind: Kind) -> Delimiter:
    """What the kind of file says, unless that gives rows of one value and another one gives every row as many."""
    usual = Delimiter.TAB if kind is Kind.TSV else Delimiter.COMMA
    if len(next(iter(_first_records(head, usual)), [])) > 1:
        return usual
    widths = {delimiter: _width(head, delimiter) for delimiter in Delimiter if delimiter is not usual}
    widest = max(widths, key=lambda delimiter: widths[delimiter])
    return widest if widths[widest] > 1 else usual


def seems_to_have_a_header(head: bytes, delimiter: Delimiter) -> bool:
    """Names are no numbers, and short. A column of numbers under a number is one without a name."""
    first, *others = _first_records(head, delimiter) or [[]]
    if any(len(cell) > LONGEST_NAME for cell in first):
        return False
    columns = zip(first, *(cells for cells in others if len(cells) == len(first)), strict=True)
    return not any(all(map(_is_number, column)) for column in columns if len(column) > 1)


def _width(head: bytes, delimiter: Delimiter) -> int:
    """How many values every row has; 0 if they differ."""
    widths = {len(cells) for cells in _first_records(head, delimiter)}
    return widths.pop() if len(widths) == 1 else 0


def _first_records(head: bytes, delimiter: Delimiter) -> list[list[str]]:
    # The last line is probably cut off. Each character stands for a byte.
    text = head[: head.rfind(b"\n") + 1] or head
    reader = csv.reader(io.StringIO(text.decode("latin-1"), newline=""), delimiter=delimiter.character)
    return [cells for cells in islice(reader, RECORDS_LOOKED_AT) if cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
