"""What the page of a tokenization says of its options and of what came out."""

from collections.abc import Mapping
from typing import Any

from django import template

from datasets_app.templatetags.figures import UNKNOWN, percent, shares_of
from tokenizations import spec_words
from tokenizations.charts import Chart, length_chart
from tokenizations.losses import Line, Losses, losses_of, ways
from tokenizations.option_help import GROUPS, OPTIONS, Option

register = template.Library()

# These have a line of their own, whatever they are.
ALWAYS_SHOWN = {
    *("text_column", "template", "chat", "splits", "first_rows", "sample_rows", "sample_seed"),
    *("max_length", "truncation", "stride", "special_tokens", "attention_mask", "filter_mode", "filter_threshold"),
}
# Of what is written, not of what is done.
COLUMNS = {option.name for group in GROUPS if group.title == "Columns" for option in group.options}
LONGEST_SHOWN = 80
VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"})


@register.filter
def chosen_options(job: Any) -> list[tuple[str, str]]:
    """The options that are not at their defaults, and what they are, in words."""
    spec = job.spec or {}
    named = ((option, spec[name]) for name, option in OPTIONS.items() if name in spec and name not in ALWAYS_SHOWN)
    own = job.tokenizer.chat_template
    return [
        (
            option.label,
            "the tokenizer’s own" if option.name == "chat_template" and value == own else words(option, value),
        )
        for option, value in named
        if value not in (option.default, list(option.default) if option.is_list else option.default)
    ]


def words(option: Option, value: Any) -> str:
    if option.name in COLUMNS:
        return "written" if value else "left out"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str) and value in option.choices:
        return option.choices[option.kind(value)]
    if isinstance(value, int):
        return f"{value:,}"
    text = "  ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


@register.filter
def text_words(spec: Mapping[str, Any]) -> str:
    if spec.get("template"):
        return str(spec["template"])
    column = spec.get("text_column")
    if not column:
        return "N/A"
    return f"{column}, as chats" if spec.get("chat") else str(column)


@register.filter
def length_words(spec: Mapping[str, Any]) -> str:
    return spec_words.length_words(spec) if "max_length" in spec else "N/A"


@register.filter
def rows_words(spec: Mapping[str, Any]) -> str:
    if first := spec.get("first_rows"):
        return f"the first {first:,} of each split"
    if sample := spec.get("sample_rows"):
        return f"{sample:,} of each split at random, seed {spec.get('sample_seed', 0)}"
    return "all"


@register.filter
def known(text: str, statistics: Mapping[str, Any] | None) -> str:
    """In place of a dash: nothing to reckon with, or nobody counted it."""
    if UNKNOWN not in text:
        return text
    return "no data" if (statistics or {}).get("rows") == 0 else "N/A"


@register.filter
def with_words(text: str, words: str) -> str:
    """A second figure with what it is, such as `{} of the tokens`; nothing where there is none."""
    return "" if UNKNOWN in text else words.format(text)


@register.filter
def as_percent(share: float | None, places: int = 1) -> str:
    return percent(share * 100 if isinstance(share, int | float) else None, places)


@register.filter
def chart(statistics: Mapping[str, Any] | None) -> Chart | None:
    counted = statistics or {}
    return length_chart(counted.get("histogram") or [], counted.get("min"), counted.get("max"))


@register.filter
def losses(statistics: Mapping[str, Any] | None) -> Losses | None:
    return losses_of(statistics or {})


@register.filter
def token_ways(statistics: Mapping[str, Any] | None) -> str:
    return ways(statistics or {})


@register.filter
def with_shares(lines: list[Line]) -> list[tuple[Line, str]]:
    """Shares of their sum; two decimals, as the small parts are what somebody looks for."""
    return list(zip(lines, shares_of([line.tokens for line in lines], 2), strict=True))


@register.filter
def top_tokens(statistics: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    counted = statistics or {}
    tokens, total = counted.get("top_tokens") or [], counted.get("tokens") or 0
    most = max((count for *_, count in tokens), default=0)
    return [
        {
            "id": token,
            "text": visible(text),
            "count": count,
            "width": f"{100 * count / most:.1f}%",
            "share": as_percent(count / total if total else None, 2),
        }
        for token, text, count in tokens
    ]


def visible(text: str | None) -> str:
    """White space and what has no sign of its own, as signs; nothing is known of some tokens but their number."""
    if not text:
        return ""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text.translate(VISIBLE))


@register.filter
def splits(statistics: Mapping[str, Any] | None) -> list[tuple[str, Mapping[str, Any]]]:
    """Where there are several."""
    found = (statistics or {}).get("splits") or {}
    return list(found.items()) if len(found) > 1 else []
