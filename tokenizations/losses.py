"""Where every token went: what came in and what was added is what was written and what was lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REASONS = {
    "empty": "Filtered: empty",
    "junk": "Filtered: junk",
    "too_short": "Filtered: too few characters",
    "too_few_tokens": "Filtered: too few tokens",
    "too_many_tokens": "Filtered: too many tokens",
    "too_long": "Errored: over TOKENYARD_REFERENCE_ROW_MB",
    "not_utf8": "Errored: not UTF-8",
    "refused": "Errored: refused by the encoder",
    "template_failed": "Errored: refused by the template",
}


@dataclass(frozen=True)
class Line:
    """`rows` is None where it is of tokens only."""

    name: str
    tokens: int
    rows: int | None = None


@dataclass(frozen=True)
class Losses:
    """Both sides come to `total`; `padding` stands apart."""

    sources: list[Line]
    ends: list[Line]
    total: int
    padding: int | None


def losses_of(statistics: Mapping[str, Any]) -> Losses | None:
    """None where an earlier version did not count them."""
    if any(statistics.get(name) is None for name in ("tokens_in", "tokens_written", "tokens_cut", "tokens_lost")):
        return None
    rows_lost = statistics.get("rows_lost") or {}
    lost = [
        Line(REASONS.get(reason, f"Left out: {reason}"), tokens, rows_lost.get(reason))
        for reason, tokens in sorted({**dict.fromkeys(rows_lost, 0), **statistics["tokens_lost"]}.items())
    ]
    sources = [
        Line("Came in", statistics["tokens_in"], statistics.get("rows_in")),
        *_if_any("Repeated by windows", statistics.get("tokens_repeated")),
        *_if_any("Special tokens added", statistics.get("special_tokens")),
    ]
    ends = [
        Line("Written", statistics["tokens_written"], statistics.get("rows")),
        *lost,
        *_if_any("Cut", statistics["tokens_cut"]),
        *_if_any("Dropped by packing", statistics.get("tokens_dropped")),
    ]
    return Losses(sources, ends, sum(line.tokens for line in sources), statistics.get("padding"))


def ways(statistics: Mapping[str, Any]) -> str:
    """From what came in to what was written, in one line; empty where an earlier version did not count them."""
    losses = losses_of(statistics)
    if losses is None:
        return ""
    steps = [
        (statistics.get("tokens_repeated"), "repeated by windows"),
        (statistics.get("special_tokens"), "special ones added"),
        (sum(statistics["tokens_lost"].values()), "left out with their rows"),
        (statistics["tokens_cut"], "cut"),
        (statistics.get("tokens_dropped"), "dropped by packing"),
    ]
    said = (f"{tokens:,} {what}" for tokens, what in steps if tokens)
    return "; ".join([f"{statistics['tokens_in']:,} came in", *said])


def _if_any(name: str, tokens: int | None) -> list[Line]:
    return [Line(name, tokens)] if tokens else []
