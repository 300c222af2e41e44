"""Compares, in every run, one row in a thousand with the reference: the probe was before, and this is the real text."""

import numpy as np

from tokenizations.engine.batches import TextBatch
from tokenizations.engine.encoding import Encoder, ids_or_none, is_same
from tokenizations.engine.rows import EncodedRows, Fate

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
        expected = ids_or_none(reference, batch.texts[int(row)].as_py())
        found = None if rows.fates[row] == Fate.REFUSED else rows.ids[rows.offsets[row] : rows.offsets[row + 1]]
        if not is_same(expected, found):
            raise Mismatch(int(batch.numbers[row]))
