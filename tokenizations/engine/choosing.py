"""Chooses the encoder of a run: the fast one only where it gives the reference's ids."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Self

from datasets_app.errors import JobError
from tokenizations.engine.encoding import HUB_ROW_BYTES, Encoder, FastEncoder, HubEncoder, ids_or_none, is_same
from tokenizations.engine.probe import probe_texts
from tokenizations.engine.spec import Spec
from tokenizations.engine.tokenizer_files import load, read_file
from tokenizations.engine.vocabulary import read_or_make

PROBED_ADDED_TOKENS = 64
# fastokens makes some of what it needs only when it encodes for the first time.
FIRST_TEXT = "a first text"
# To be raised when the fixed texts change, or how they are compared.
VERDICT_FORMAT = 1
DIGEST_DIGITS = 16
NEEDS_PLACES = "The assistant mask has to know where in a text each token lies, which fastokens does not say."


@dataclass(frozen=True)
class Choice:
    """The encoder to use, and as a sentence for the user why it is this one; `reference` is what it was compared with.

    They are the same where the reference is chosen.
    """

    encoder: Encoder
    reason: str
    reference: HubEncoder

    @property
    def name(self) -> str:
        return self.encoder.name


@dataclass(frozen=True)
class Verdict:
    """Of how many texts were tried, and for how many the fast encoder gave other ids than the reference."""

    texts: int
    wrong: int

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.texts + other.texts, self.wrong + other.wrong)

    def write(self, path: Path) -> None:
        """Replaces what is there, at once."""
        part = path.with_name(f"{uuid.uuid4().hex}.part")
        part.write_text(json.dumps(asdict(self)))
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


class Candidates:
    """The encoders that a tokenizer's file can be loaded to. Raises JobError if it is not a tokenizer at all.

    `row_bytes` are for the reference.
    """

    def __init__(self, path: Path, parse_special_tokens: bool = True, row_bytes: int = HUB_ROW_BYTES) -> None:
        self.path = path
        self.parse_special_tokens = parse_special_tokens
        self._json_bytes = read_file(path)
        self.reference = HubEncoder(load(self._json_bytes), parse_special_tokens, row_bytes)

    @cached_property
    def fast(self) -> FastEncoder:
        """Raises JobError for a tokenizer that it does not know."""
        encoder = FastEncoder(self._json_bytes, self.parse_special_tokens)
        encoder.encode([FIRST_TEXT])
        return encoder


def choose_encoder(candidates: Candidates, spec: Spec, texts: Iterable[str] = ()) -> Choice:
    """The fast encoder if it loads and agrees with the reference on the fixed probe and on `texts`, else the reference.

    The verdict on the fixed probe takes half a second and is kept beside the tokenizer.
    """
    hub = candidates.reference
    if spec.assistant_mask:
        return Choice(hub, NEEDS_PLACES, hub)
    try:
        fast = candidates.fast
    except JobError as error:
        return Choice(hub, str(error), hub)
    verdict = _fixed_verdict(candidates) + _compare(fast, hub, texts)
    if verdict.wrong:
        reason = f"fastokens gave other tokens on {verdict.wrong} of {verdict.texts:,} probe texts."
        return Choice(hub, reason, hub)
    return Choice(fast, f"fastokens gave the same tokens as tokenizers on {verdict.texts:,} probe texts.", hub)


def prepare(tokenizer_path: Path) -> None:
    """Find out what every job would ask of this tokenizer, and keep it beside the file."""
    candidates = Candidates(tokenizer_path)
    choose_encoder(candidates, Spec("", ()))
    read_or_make(tokenizer_path, candidates.reference.tokenizer)


def _fixed_verdict(candidates: Candidates) -> Verdict:
    kept = candidates.path.with_name(verdict_name(candidates.parse_special_tokens))
    if known := Verdict.read(kept):
        return known
    added = [token.content for token in candidates.reference.tokenizer.get_added_tokens_decoder().values()]
    verdict = _compare(candidates.fast, candidates.reference, probe_texts(added[:PROBED_ADDED_TOKENS]))
    with suppress(OSError):  # it only takes longer the next time
        verdict.write(kept)
    return verdict


def verdict_name(parse_special_tokens: bool) -> str:
    """Another one for every version of the two libraries."""
    parts = [VERDICT_FORMAT, version("fastokens"), version("tokenizers"), parse_special_tokens]
    return f"probe-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGEST_DIGITS]}.json"


def _compare(fast: Encoder, hub: Encoder, texts: Iterable[str]) -> Verdict:
    # One at a time, so that a text that one of them refuses is compared too.
    agreed = [is_same(ids_or_none(hub, text), ids_or_none(fast, text)) for text in texts]
    return Verdict(len(agreed), agreed.count(False))
