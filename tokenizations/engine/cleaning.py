"""Cleans a text, step by step: each step is a switch of the spec, and all of them are off unless asked for.

In this order: HTML, URLs, e-mail addresses, control characters, Unicode form, repeats, white space, lower case. The
entities of HTML may stand for anything, so they come first; white space comes after what leaves gaps. Every step takes
time in proportion to the text, whatever is in it, and none of them raises.
"""

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Literal

from tokenizations.engine.html_text import without_html
from tokenizations.engine.spec import Spec, UnicodeForm, Whitespace

Step = Callable[[str], str]

# Quotes, brackets and the punctuation of Chinese and Japanese end a URL; what may end a sentence is not its last sign.
URL = re.compile(
    r"""(?<![a-z0-9_])(?:(?:https?|ftp)://|www\.(?=[a-z0-9]))[^\s<>"`“”‘’«»\u3000-\u303f\uff00-\uffef]+""",
    re.IGNORECASE,
)
SIGNS_AFTER_A_URL = ".,;:!?'*_]}"
# The length limits are those of RFC 5321; one address right after another is taken with it.
EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])(?:[A-Za-z0-9._%+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63})+")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
# Letters and the signs that people repeat. Digits, brackets, quotes, commas and slashes repeat in code and in data, as
# do the letters of a hexadecimal number.
REPEATS = re.compile(r"(?:0[xX]|#|\\[xuU])[0-9a-fA-F]++|([^\W\d_]|[-!?.…~–—=_*#+•·。！？～])\1{4,}+")
KEPT_REPEATS = 3
MAX_ASCII = 0x7F
MOST_MARKS = 256
HORIZONTAL = r"[^\S\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"
GAP = re.compile(rf"(?<=\S)(?! (?!{HORIZONTAL})){HORIZONTAL}++(?=\S)")
LINE_END = re.compile(rf"(?<!{HORIZONTAL}){HORIZONTAL}++(?!\S)")


class Cleaner:
    """What a spec asks for; `min_characters` is not a matter of cleaning."""

    def __init__(self, spec: Spec) -> None:
        self._steps = _steps(spec)

    @property
    def is_idle(self) -> bool:
        """Whether `clean` gives back every text as it is."""
        return not self._steps

    def clean(self, text: str) -> str:
        for step in self._steps:
            text = step(text)
        return text


def _steps(spec: Spec) -> list[Step]:
    switches: list[tuple[bool, Step]] = [
        (spec.remove_html, without_html),
        (spec.remove_urls, without_urls),
        (spec.remove_emails, without_emails),
        (spec.remove_control_characters, without_control_characters),
        (spec.unicode_form == UnicodeForm.NFC, nfc),
        (spec.unicode_form == UnicodeForm.NFKC, nfkc),
        (spec.collapse_repeats, with_fewer_repeats),
        (spec.whitespace == Whitespace.LINES, with_narrow_gaps),
        (spec.whitespace == Whitespace.ALL, on_one_line),
        (spec.lowercase, str.lower),
    ]
    return [step for is_on, step in switches if is_on]


def without_urls(text: str) -> str:
    """Those with http, https or ftp, and those that start with www. A full stop or bracket after one stays."""
    return URL.sub(_after_url, text) if "://" in text or "www." in text.lower() else text


def _after_url(found: re.Match[str]) -> str:
    url = found[0].rstrip(SIGNS_AFTER_A_URL)
    unopened = url.count(")") - url.count("(")
    if url.endswith(")") and unopened > 0:
        closing = len(url) - len(url.rstrip(")"))
        url = url[: -min(unopened, closing)].rstrip(SIGNS_AFTER_A_URL)
    return found[0][len(url) :]


def without_emails(text: str) -> str:
    return EMAIL.sub("", text) if "@" in text else text


def without_control_characters(text: str) -> str:
    """All of category Cc but tab, newline and carriage return. Invisible ones of other categories stay."""
    return CONTROL.sub("", text)


def nfc(text: str) -> str:
    return _normalized("NFC", text)


def nfkc(text: str) -> str:
    return _normalized("NFKC", text)


def _normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """In pieces where more accents follow each other than any language has: sorting them takes the square of them."""
    if text.isascii():
        return text
    ends = [found.end() for found in _many_marks().finditer(text)]
    pieces = (text[start:end] for start, end in pairwise([0, *ends, len(text)]))
    return "".join(unicodedata.normalize(form, piece) for piece in pieces)


@cache
def _many_marks() -> re.Pattern[str]:
    marks = (chr(code) for code in range(MAX_ASCII + 1, sys.maxunicode + 1) if _is_mark(chr(code)))
    return re.compile(f"[{''.join(marks)}]{{{MOST_MARKS}}}")


def _is_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFD", character)[0]) > 0


def with_fewer_repeats(text: str) -> str:
    """Three of the same letter or sign where there were five or more. YYYY, 1000000, #ffffff and ))))) stay."""
    return REPEATS.sub(lambda found: found[1] * KEPT_REPEATS if found[1] else found[0], text)


def with_narrow_gaps(text: str) -> str:
    """One space where there are several, or tabs, within a line; none at its end. Indentation and newlines stay."""
    return LINE_END.sub("", GAP.sub(" ", text))


def on_one_line(text: str) -> str:
    return " ".join(text.split())
