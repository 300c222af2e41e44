"""Texts that an encoder must get right before it may stand in for the reference."""

import random
from collections.abc import Iterable

LONG_CHARACTERS = 300_000
SEED = 20260801
FRAGMENTS = (
    "The quick brown fox ", "doesn't jump over ", "it's 12,345.678 ", "naïve café ", "Größe ",
    "日本語の文章。", "한국어 ", "русский текст ", "العربية ", "हिन्दी ", "ไทย ",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 ", "e\u0301 ", "\u200b", "\u00a0",
    "\n\n", "\r\n", "\t\t", "    ", "=" * 20, "--- ", "∑∫√ ", "ＦＵＬＬ ", "ﬁ ",
    "def f(x):\n    return x ** 2\n", "https://example.org/a?b=c&d=%20 ", "<p>&amp;</p>", "{}[]();:,.!?",
    "0123456789" * 3, "CamelCaseAndSNAKE_CASE ", "we'LL They'Ve ", '"quoted" ', "\\u0041 ",
)  # fmt: skip
NASTY = (
    "", " ", "  ", "\n", "\r", "\r\n", "\t", "\n\n\n", " \n \n ", "a", " a", "a ", "  a  b  ", "\ufeffbyte order mark",
    "\x00", "a\x00b", "".join(map(chr, range(32))), "".join(map(chr, range(0x7F, 0xA1))), "\u2028\u2029\x85",
    "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'VE 'M 'LL 'D", "I'd've can't won’t", "1 12 123 1234 12345 ½ ² ① ٣ 三",
    "e\u0301 \u00e9 \u1e9b\u0323 \ufb01 \uac00 \u1100\u1161", "a\u0300\u0301\u0302\u0303" * 20,
    "\u200d\u200c\u2060\ufe0f", "\ufffd", "\uffff\ufdd0", "\ue000\uf8ff", "\U0001f468\u200d\U0001f469",
    "\U00010348 \U000e0041 \U000f0000 \U0010ffff", "█▓▒░ →⇒ ♠♥", "\u3000全角\u3000", "ÀÉÎõü ÅØ", "ǅ ß ẞ İ ı ſ",
    "x" * 1000, " " * 1000, "\n" * 1000, "ab" * 1000, "1" * 1000, "é" * 1000, "京" * 1000, "\U0001f44d" * 500,
    "!?" * 500, "a " * 1000, " \t" * 500, "lowerUPPERlower",
)  # fmt: skip


def probe_texts(special_tokens: Iterable[str] = ()) -> list[str]:
    """The fixed texts: nasty ones, samples of every plane of Unicode, special tokens in text, and long documents."""
    return [*NASTY, *_planes(), *_with_special_tokens(special_tokens), *_long_documents()]


def _planes() -> list[str]:
    # Every 37th code point, sixty at a time: all scripts, unassigned and private ones included, but no surrogates.
    step, width = 37, 60
    points = [number for number in range(0, 0x110000, step) if not 0xD800 <= number < 0xE000]
    points = [number for number in points if number < 0x33480 or number % 16 == 0]
    return ["".join(map(chr, points[start : start + width])) for start in range(0, len(points), width)]


def _with_special_tokens(special_tokens: Iterable[str]) -> list[str]:
    texts = []
    for token in special_tokens:
        texts += [token, f"a{token}b", f" {token} ", token * 3, token[:-1], token.upper()]
    return texts


def _long_documents() -> list[str]:
    # An encoder that cuts long texts for its threads goes wrong at the cuts, so the cuts must fall everywhere.
    random_fragments = random.Random(SEED)
    mixed = "".join(random_fragments.choices(FRAGMENTS, k=LONG_CHARACTERS // 12))
    unbroken = "".join(random_fragments.choices("abcdefgh京é1", k=LONG_CHARACTERS // 10))
    spaced = "".join(random_fragments.choices(" \n\ta", k=LONG_CHARACTERS // 10))
    return [mixed, unbroken, spaced]
