"""Makes the sequences of a shard out of its encoded rows: cut, framed, packed, padded."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tokenizations.engine.cutting import Documents, kept_documents, whole_pieces, windows
from tokenizations.engine.framing import framed
from tokenizations.engine.packing import packer_of
from tokenizations.engine.padding import padder_of
from tokenizations.engine.ragged import Lengths
from tokenizations.engine.rows import EncodedRows
from tokenizations.engine.sequences import Sequences, numbered
from tokenizations.engine.spec import Packing, Spec, Truncation
from tokenizations.engine.special_tokens import Frame


class Shaper:
    """For one shard: what waits for more rows, and which sequences the tokens of each kept row went to.

    `specials` counts the special tokens that were put around pieces, `repeated` the tokens that windows have in common
    with the ones before, and `dropped` the tokens that packing left out.
    """

    def __init__(self, spec: Spec, frame: Frame, pad_id: int | None) -> None:
        self._spec = spec
        self._frame = frame
        self._room = None if spec.max_length is None else spec.max_length - len(frame)
        self._packer = packer_of(spec)
        self._padder = padder_of(spec, pad_id)
        self._numbers: list[npt.NDArray[np.int64]] = []
        self._documents = self._sequences = 0
        self._places: list[tuple[Lengths, Lengths]] = []
        self.specials = self.repeated = 0

    @property
    def dropped(self) -> int:
        return self._packer.dropped

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number in the split of every document so far, int64."""
        self._numbers = [np.concatenate([np.empty(0, np.int64), *self._numbers])]
        return self._numbers[0]

    def documents(self, rows: EncodedRows, numbers: npt.NDArray[np.int64]) -> Documents:
        """The kept rows, cut; concatenated documents are not."""
        room = None if self._spec.packing == Packing.CONCATENATE else self._room
        return kept_documents(rows, numbers, room, self._spec.truncation)

    def add(self, documents: Documents) -> Iterator[Sequences]:
        """The sequences that are finished with these, which may be none."""
        pieces = whole_pieces(documents)
        if self._spec.truncation == Truncation.WINDOWS and self._room is not None:
            pieces = windows(documents, self._room, self._spec.stride)
        sequences = framed(pieces, self._frame, self._documents, is_special=self._spec.special_tokens_mask)
        self._numbers.append(documents.numbers)
        self._documents += len(documents)
        self.repeated += len(pieces.content) - len(documents.content)
        self.specials += int(sequences.lengths.sum()) - len(pieces.content)
        for packed in self._packer.add(sequences):
            yield from self._padder.add(self._placed(packed))

    def rest(self) -> Iterator[Sequences]:
        """What is left when all documents have been added."""
        for packed in self._packer.rest():
            yield from self._padder.add(self._placed(packed))
        yield from self._padder.rest()

    def places(self) -> tuple[Lengths, Lengths] | None:
        """By document, offsets and the numbers in the shard of its sequences; None where every document is one."""
        if self._spec.is_one_to_one:
            return None
        nothing = np.empty(0, np.int64)
        documents = np.concatenate([nothing, *(found for found, _ in self._places)])
        sequences = np.concatenate([nothing, *(found for _, found in self._places)])
        order = np.lexsort([sequences, documents])
        counts = np.bincount(documents, minlength=self._documents)
        return np.concatenate([[0], np.cumsum(counts)]), sequences[order]

    def _placed(self, sequences: Sequences) -> Sequences:
        if not self._spec.is_one_to_one:
            segments = sequences.segments
            numbers = np.repeat(np.arange(self._sequences, self._sequences + len(sequences)), segments.counts)
            self._places.append((segments.documents, numbers))
        self._sequences += len(sequences)
        return numbered(sequences, self._spec)
