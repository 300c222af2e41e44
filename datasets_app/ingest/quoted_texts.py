"""Long quoted texts of CSV, by the places of the quotes alone: twice as fast as a parser that looks at each character.

What is left of the file without them is short, and is pyarrow's to parse. Whatever is out of the ordinary is too.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datasets_app.ingest.blocks import CARRIAGE_RETURN, LINE_END, Places
from datasets_app.ingest.plain_csv import read_csv
from datasets_app.ingest.quoting import QUOTE

# With shorter values, or more of the file outside of quotes, pyarrow is as fast.
VALUE_BYTES = 100
LEAST_QUOTED = 0.75


class _Quotes(NamedTuple):
    """Those that open and those that close, in pairs; of a doubled quote the first closes and the second opens."""

    opening: Places
    closing: Places
    opens_value: npt.NDArray[np.bool_]
    closes_value: npt.NDArray[np.bool_]


class _Cells(NamedTuple):
    """Row by row, quotes included."""

    start: Places
    end: Places
    is_quoted: npt.NDArray[np.bool_]


class _Pieces(NamedTuple):
    """Of all cells. A cell is in one, but for a quoted one with quotes in it: each of those begins a new one."""

    start: Places
    end: Places
    of_cell: Places  # how many each cell has


def read_quoted_texts(data: bytes, quotes: Places, delimiter: str, types: dict[str, pa.DataType]) -> pa.Table | None:
    """The rows of whole CSV records, as `pyarrow.csv.read_csv` reads them with these types of the columns, in order.

    `quotes` are the places of all quotes in `data`, shape (quotes,), of which every second one opens a value or doubles
    the one before. Returns None for data that is not mostly long quoted texts, or in which something else than a
    delimiter or a line end follows a value. Raises pa.ArrowInvalid for text that is not UTF-8, and for what is not of
    its column's type.
    """
    texts = [index for index, kind in enumerate(types.values()) if pa.types.is_string(kind)]
    if not texts or not len(quotes):
        return None
    pairs = _paired(quotes)
    cells = _cells(np.frombuffer(data, np.uint8), pairs, ord(delimiter), len(types))
    if cells is None:
        return None
    names, pieces = list(types), _pieces(cells, pairs)
    columns = {names[index]: _column(data, pieces, index, len(names)) for index in texts}
    if others := [name for name in names if name not in columns]:
        table = read_csv(_without(data, cells, texts, len(names)), delimiter, names, types, only=others)
        columns |= {name: table[name] for name in others}
    return pa.table({name: columns[name] for name in names})


def _paired(quotes: Places) -> _Quotes:
    opening, closing = quotes[::2], quotes[1::2]
    is_doubled = closing[:-1] + 1 == opening[1:]
    return _Quotes(opening, closing, np.append(True, ~is_doubled), np.append(~is_doubled, True))


def _cells(data: npt.NDArray[np.uint8], quotes: _Quotes, delimiter: int, columns: int) -> _Cells | None:
    opening, closing = quotes.opening[quotes.opens_value], quotes.closing[quotes.closes_value]
    after, before = np.append(0, closing + 1), np.append(opening, len(data))
    if (before - after).sum() > (1 - LEAST_QUOTED) * len(data) or len(data) < VALUE_BYTES * len(opening):
        return None
    outside = _between(after, before)
    characters = data[outside]
    ends = outside[(characters == delimiter) | (characters == LINE_END)]
    if len(ends) % columns or ends[-1:] != len(data) - 1:
        return None
    separators = data[ends].reshape(-1, columns)
    if (separators[:, -1] != LINE_END).any() or (separators[:, :-1] != delimiter).any():
        return None
    start = np.concatenate(([0], ends[:-1] + 1))
    has_return = (data[ends] == LINE_END) & (data[ends - 1] == CARRIAGE_RETURN)
    end = ends - has_return
    # A line that is empty is no row; a carriage return alone ends one.
    returns = np.count_nonzero(characters == CARRIAGE_RETURN)
    if returns != np.count_nonzero(has_return) or (columns == 1 and (start == end).any()):
        return None
    is_quoted = data[start] == QUOTE
    are_whole = np.array_equal(start[is_quoted], opening) and np.array_equal(end[is_quoted] - 1, closing)
    return _Cells(start, end, is_quoted) if are_whole else None


def _pieces(cells: _Cells, quotes: _Quotes) -> _Pieces:
    of_cell = np.ones(len(cells.start), np.intp)
    of_cell[cells.is_quoted] = np.diff(np.append(np.flatnonzero(quotes.opens_value), len(quotes.opening)))
    in_quotes = np.repeat(cells.is_quoted, of_cell)
    start, end = np.empty((2, len(in_quotes)), np.intp)
    start[in_quotes], end[in_quotes] = quotes.opening + quotes.opens_value, quotes.closing
    start[~in_quotes], end[~in_quotes] = cells.start[~cells.is_quoted], cells.end[~cells.is_quoted]
    return _Pieces(start, end, of_cell)


def _between(starts: Places, ends: Places) -> Places:
    """All places from each start up to its end."""
    sizes = ends - starts
    first = np.cumsum(sizes) - sizes
    places: Places = np.arange(sizes.sum()) + np.repeat(starts - first, sizes)
    return places


def _column(data: bytes, pieces: _Pieces, index: int, columns: int) -> pa.Array:
    of_text = pieces.of_cell[index::columns]
    chosen = np.repeat(np.arange(len(pieces.of_cell)) % columns == index, pieces.of_cell)
    start, end = pieces.start[chosen], pieces.end[chosen]
    offsets = np.append(0, np.cumsum(end - start)[np.cumsum(of_text) - 1]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), _joined(data, start, end)]
    return pa.Array.from_buffers(pa.binary(), len(of_text), buffers).cast(pa.string())


def _without(data: bytes, cells: _Cells, texts: list[int], columns: int) -> pa.Buffer:
    is_text = np.isin(np.arange(len(cells.start)) % columns, texts)
    return _joined(data, np.append(0, cells.end[is_text]), np.append(cells.start[is_text], len(data)))


def _joined(data: bytes, start: Places, end: Places) -> pa.Buffer:
    """These pieces of the data, one after the other."""
    offsets = np.empty(2 * len(start), np.int32)
    offsets[::2], offsets[1::2] = start, end
    # Of pieces and what lies between them in turn, the pieces.
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    both = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)
    return both.take(pa.array(np.arange(0, len(both), 2))).buffers()[2]
