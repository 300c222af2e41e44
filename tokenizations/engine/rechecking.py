"""Compares, in every run, one row in a thousand with the reference: the probe was before, and this is the real text."""

import numpy as np

from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import Encoder, Ids
from tokenizations.engine.rows import EncodedRows, Fate
from tokenizations.engine.tokenizer_files import is_panic

EVERY = 1000
# The reference takes a third of a second for a text of this size.
LARGEST_BYTES = 1 << 20
UNCHECKED = (Fate.EMPTY, Fate.TOO_SHORT, Fate.TOO_LONG, Fate.NOT_UTF8, Fate.TEMPLATE_FAILED)


class Mismatch(Exception):
    """The fast encoder gave other tokens than the reference for this row of the split."""

    def __init__(self, row: int) -> None:
        super().__init__(f"fastokens gave other tokens than tokenizers for row {row:,}.")
        self.row = row


def recheck(reference: Encoder, batch: TextBatch, rows: EncodedRows) -> None:
    """Raise Mismatch for the first row, among those whose number is a multiple of a thousand, that differs."""
    chosen = (batch.numbers % EVERY == 0) & (batch.sizes <= LARGEST_BYTES) & ~np.isin(rows.fates, UNCHECKED)
    for row in np.flatnonzero(chosen):
        expected = _reference_ids(reference, batch.texts[int(row)].as_py())
        found = None if rows.fates[row] == Fate.REFUSED else rows.ids[rows.offsets[row] : rows.offsets[row + 1]]
        if not _equal(expected, found):
            raise Mismatch(int(batch.numbers[row]))


def _reference_ids(reference: Encoder, text: str) -> Ids | None:
    try:
        return reference.encode([text])[0]
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        return None


def _equal(expected: Ids | None, found: Ids | None) -> bool:
    if expected is None or found is None:
        return expected is found
    return np.array_equal(expected, found)
