from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from tests.engine_samples import SHARED, byte_bpe, needs_shared, patiently, shared_tokenizers, spec, wordpiece
from tokenizations.engine.filters import junk_ratios, junk_tokens
from tokenizations.engine.junk import NEVER, junk_level
from tokenizations.engine.spec import FILTER_MODES, FilterMode
from tokenizations.engine.tokenizer_files import load, read_tokenizer
from tokenizations.engine.vocabulary import Vocabulary, vocabulary_of

JUNK_FROM = {
    FilterMode.MINIMAL: ["\x00", "a\x00", "\x07", "\x7f", "\x80", "\x0b", " \x0c ", "word\x1b"],
    FilterMode.CONSERVATIVE: ["", " ", "    ", "\n", "\r\n", "\t", " \n ", "\u00a0", "\u3000", "\u2028"],
    FilterMode.STANDARD: ["!", " ...", "--", "=>", " €", "👍", "→", "。", "\u200b", "\ufffd", "{}();", "∑∫√∞"],
    FilterMode.AGGRESSIVE: ["'s", " a.", "(x", "1)", "京。", "_a", " -1 "],
    FilterMode.STRICT: ["don't", "U.S.", "x_y", "a+b", "end.", "«mot", "日本。", "$HOME", "[UNK]"],
}
GOOD = [
    "a",
    " a",
    "I",
    "1",
    "12",
    "ab",
    " the",
    "京",
    "京都",
    "привет",
    "한국",
    "हिन्दी",
    "ไทย",
    "٣",
    "½",
    "\u0301",
    "é",
    "\nab",
]

# GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from U+0100 on.
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = {chr(byte): byte for byte in PRINTABLE}
BYTES |= {chr(0x100 + place): byte for place, byte in enumerate(sorted(set(range(256)) - set(PRINTABLE)))}


@pytest.mark.parametrize(("mode", "text"), [(mode, text) for mode, texts in JUNK_FROM.items() for text in texts])
def test_a_token_is_junk_from_this_mode_on(mode: FilterMode, text: str) -> None:
    assert FILTER_MODES[junk_level(text)] == mode


@pytest.mark.parametrize("text", GOOD)
def test_a_token_of_letters_or_digits_in_any_script_is_never_junk(text: str) -> None:
    assert junk_level(text) == NEVER


@patiently
@given(st.lists(st.text(max_size=6), min_size=1))
def test_every_mode_has_the_junk_of_the_modes_before_it(texts: list[str]) -> None:
    vocabulary = Vocabulary.of(texts, np.zeros(len(texts), np.bool_), len(texts))

    masks = [junk_tokens(vocabulary, spec(filter_mode=str(mode))) for mode in FILTER_MODES]

    assert not masks[0].any()
    assert all((later >= earlier).all() for earlier, later in pairwise(masks))


def test_pieces_of_a_character_are_never_junk() -> None:
    tokenizer = load(byte_bpe())
    vocabulary = vocabulary_of(tokenizer)
    levels = vocabulary.levels

    ids = tokenizer.get_vocab()
    pieces = [ids[token] for token in ("ä", "º", "Ã")]  # bytes E4, BA, C3
    assert vocabulary.pieces[pieces].all()
    assert (levels[pieces] == NEVER).all()
    assert levels[ids["Ā"]] == FILTER_MODES.index(FilterMode.MINIMAL)  # byte 0
    assert levels[ids["Ġ"]] == FILTER_MODES.index(FilterMode.CONSERVATIVE)


def test_a_whole_replacement_character_is_no_piece() -> None:
    tokenizer = Tokenizer(
        models.BPE(vocab={"ï": 0, "¿": 1, "½": 2, "ï¿": 3, "ï¿½": 4}, merges=[("ï", "¿"), ("ï¿", "½")])
    )
    tokenizer.decoder = decoders.ByteLevel()

    vocabulary = vocabulary_of(tokenizer)

    assert vocabulary.pieces.tolist() == [True, True, True, True, False]
    assert vocabulary.texts[4] == "\ufffd"


def test_bytes_that_stand_for_unknown_characters_are_pieces() -> None:
    vocabulary = {"<unk>": 0, "<0xE4>": 1, "<0x0A>": 2, "▁the": 3}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])

    found = vocabulary_of(tokenizer)

    assert found.pieces.tolist() == [False, True, False, False]
    assert found.texts[2:] == ["\n", " the"]


@pytest.mark.parametrize(
    "decoder",
    [
        decoders.Metaspace(),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()]),
    ],
)
def test_the_space_that_a_first_token_loses_is_part_of_it(decoder: decoders.Decoder) -> None:
    texts = {"<unk>": "<unk>", "▁": " ", "▁▁▁": "   ", "▁the": " the", "the": "the"}
    tokenizer = Tokenizer(models.Unigram([(token, -1.0) for token in texts], 0, False))
    tokenizer.decoder = decoder

    assert vocabulary_of(tokenizer).texts == list(texts.values())


def test_a_sign_that_no_decoder_takes_for_a_space_stays() -> None:
    assert vocabulary_of(Tokenizer(models.WordLevel({"▁": 0, "▁a": 1}, unk_token="▁"))).texts == ["▁", "▁a"]


def test_the_mark_of_a_continued_word_is_not_punctuation() -> None:
    tokenizer = load(wordpiece())
    vocabulary = vocabulary_of(tokenizer)

    marked = [(token, number) for token, number in tokenizer.get_vocab().items() if token.startswith("##")]

    assert marked
    assert all(vocabulary.texts[number] == token[2:] for token, number in marked)


def test_ids_without_a_token_do_no_harm() -> None:
    vocabulary = vocabulary_of(Tokenizer(models.WordLevel({"a": 0, "b": 7}, unk_token="a")))

    assert vocabulary.texts == ["a", "", "", "", "", "", "", "b"]
    assert len(vocabulary.levels) == 8


def test_the_ratio_is_the_share_of_junk_among_a_rows_own_tokens() -> None:
    junk = np.array([False, True])
    ids = np.array([0, 1, 1, 1, 0, 0, 0, 1], np.uint32)

    ratios = junk_ratios(ids, np.array([0, 2, 2, 4, 7, 8, 8]), junk)

    assert ratios.tolist() == [0.5, 0, 1, 0, 1, 0]


@patiently
@given(st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=12), st.sets(st.integers(0, 9)))
def test_ratios_equal_those_counted_one_by_one(rows: list[list[int]], junk_ids: set[int]) -> None:
    ids = np.array([token for row in rows for token in row], np.uint32)
    offsets = np.cumsum([0, *map(len, rows)])
    junk = np.isin(np.arange(10), list(junk_ids))

    ratios = junk_ratios(ids, offsets, junk)

    expected = [sum(token in junk_ids for token in row) / len(row) if row else 0 for row in rows]
    assert ratios.tolist() == expected


@needs_shared
@pytest.mark.parametrize("path", shared_tokenizers(), ids=lambda path: path.stem)
def test_real_vocabularies_read_as_text(path: Path) -> None:
    tokenizer = load(read_tokenizer(path).json_bytes)

    vocabulary = vocabulary_of(tokenizer)
    levels = vocabulary.levels

    by_text = {text.strip(): level for text, level in zip(vocabulary.texts, levels, strict=True)}
    assert (by_text["the"], by_text["!"]) == (NEVER, FILTER_MODES.index(FilterMode.STANDARD))


@needs_shared
@pytest.mark.parametrize("name", ["gpt2", "dolma2.json", "gpt-neox-20b.json"])
def test_a_token_is_a_piece_exactly_if_its_bytes_are_not_utf8(name: str) -> None:
    tokenizer = load(read_tokenizer(SHARED / "tokenizers" / name).json_bytes)

    pieces = vocabulary_of(tokenizer).pieces

    for token, number in tokenizer.get_vocab(with_added_tokens=False).items():
        if set(token) <= BYTES.keys():
            assert pieces[number] == (not is_utf8(bytes(BYTES[character] for character in token)))


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def junk_of(texts: list[str], **options: Any) -> list[str]:
    vocabulary = Vocabulary.of(texts, np.zeros(len(texts), np.bool_), len(texts))
    junk = junk_tokens(vocabulary, spec(**options))
    return [text for text, is_junk in zip(texts, junk, strict=True) if is_junk]


def test_further_characters_can_be_junk() -> None:
    assert junk_of(["a", "a§", "§", "!"], junk_characters="§¶") == ["a§", "§"]
    assert junk_of(["a§", "!"], junk_characters="§", filter_mode="standard") == ["a§", "!"]


def test_all_punctuation_can_be_junk_in_every_mode() -> None:
    assert junk_of(["don't", " ,", "x", "。", "\n"], remove_all_punctuation=True) == ["don't", " ,", "。"]


def test_the_list_of_tokens_to_keep_wins() -> None:
    texts = ["!", " !", "!!", "\n", " ", "?"]

    assert junk_of(texts, filter_mode="strict", keep_tokens=["!", "\n"]) == ["!!", " ", "?"]
    assert junk_of(texts, remove_all_punctuation=True, junk_characters="!", keep_tokens=[" !"]) == ["!!", "?"]
