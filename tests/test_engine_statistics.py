import functools
import math
import re
import statistics as reference
from collections import Counter
from collections.abc import Callable
from functools import reduce
from io import BytesIO
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from tests.engine_samples import batch_of, byte_bpe, loaded, patiently, spec, word_level, wordpiece
from tokenizations.engine.histogram import Histogram, round_width
from tokenizations.engine.recipe import LoadedTokenizer, Recipe
from tokenizations.engine.statistics import BARS, Statistics, count_words
from tokenizations.engine.tokenizer_files import load

numbers = st.lists(st.integers(0, 50) | st.integers(0, 1 << 40), max_size=60)
texts = st.lists(st.none() | st.text(max_size=30), max_size=20)

max_lengths = st.sampled_from([None, 2, 5])
WORDS = ["a", "b", "!", "the", "cat", "京", "𝔘", "naïve", "x"]
spoken = st.lists(st.none() | st.text(max_size=20) | st.lists(st.sampled_from(WORDS)).map(" ".join), max_size=20)
SPACE = ord(" ")
PLAIN = [*range(33, 127), *range(161, 173), *range(174, 256)]
SHIFTED = [byte for byte in range(256) if byte not in PLAIN]
# As GPT-2 writes bytes: those that can be seen as they are, the others from U+0100 on.
BYTE_OF = {chr(byte): byte for byte in PLAIN} | {chr(256 + place): byte for place, byte in enumerate(SHIFTED)}


def shape(lengths: list[int]) -> dict[str, object]:
    """The figures of some lengths, each as it is defined."""
    ranked, count = sorted(lengths), len(lengths)
    return {
        "mean": sum(lengths) / count if lengths else None,
        "min": min(lengths, default=None),
        "max": max(lengths, default=None),
        "median": reference.median(lengths) if lengths else None,
        "percentiles": {
            str(percent): ranked[math.ceil(count * percent / 100) - 1] if lengths else None
            for percent in (5, 25, 75, 90, 95, 99)
        },
    }


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def histogram(values: list[int]) -> Histogram:
    return Histogram.of(np.array(values, np.int64))


@patiently
@given(numbers)
def test_figures_are_exact(values: list[int]) -> None:
    found = histogram(values)

    assert (found.rows, found.total) == (len(values), sum(values))
    assert found.min == min(values, default=None)
    assert found.max == max(values, default=None)
    assert found.mean == (sum(values) / len(values) if values else None)
    assert found.median == (reference.median(values) if values else None)


@patiently
@given(numbers, st.integers(1, 100))
def test_a_percentile_is_the_value_at_the_nearest_rank(values: list[int], percent: int) -> None:
    expected = sorted(values)[math.ceil(len(values) * percent / 100) - 1] if values else None

    assert histogram(values).percentile(percent) == expected


@patiently
@given(numbers, numbers)
def test_histograms_add_up(some: list[int], more: list[int]) -> None:
    assert histogram(some) + histogram(more) == histogram(some + more)


def test_steps_have_no_gaps() -> None:
    found = histogram([0, 15, 16, 50])

    assert found.steps(16, 9) == [(0, 2), (16, 1), (32, 0), (48, 1)]
    assert found.steps(16, 2) == [(0, 2), (16, 2)]
    assert found.over(15) == 2
    assert Histogram().steps(16, 9) == []


@pytest.mark.parametrize(
    ("end", "most", "width"), [(0, 1, 1), (38, 39, 1), (39, 39, 2), (78, 39, 5), (616, 39, 20), (10**9, 39, 50_000_000)]
)
def test_steps_are_as_wide_as_the_next_round_number(end: int, most: int, width: int) -> None:
    assert round_width(end, most) == width


@patiently
@given(numbers)
def test_the_steps_of_the_chart_have_every_row_and_end_past_the_last_but_few(values: list[int]) -> None:
    steps = Statistics(lengths=histogram(values)).summary()["histogram"]

    firsts = [first for first, _ in steps]
    assert sum(rows for _, rows in steps) == len(values)
    assert len(steps) <= BARS
    for (first, rows), following in zip(steps, [*firsts, math.inf][1:], strict=True):
        assert rows == sum(first <= value < following for value in values)
    if len(steps) > 1:
        width = firsts[1]
        assert firsts == list(range(0, len(steps) * width, width))
        assert str(width).rstrip("0") in ("1", "2", "5")
        assert sum(value >= firsts[-1] + width for value in values) <= len(values) * 5 // 1000


def test_a_few_very_long_rows_do_not_press_the_others_into_one_step() -> None:
    steps = Statistics(lengths=histogram([*range(1, 616), 10**6])).summary()["histogram"]

    assert steps[:2] == [[0, 19], [20, 20]]
    assert steps[-2:] == [[600, 16], [620, 1]]


def counted(
    texts: list[str | None],
    max_length: int | None = None,
    mode: str = "none",
    tokenizer: LoadedTokenizer | None = None,
) -> Statistics:
    tokenizer = tokenizer or loaded(byte_bpe(), "fastokens")
    recipe = Recipe(spec(max_length=max_length, filter_mode=mode, filter_threshold=0.4), tokenizer)
    batch = batch_of(texts)
    cooked, shaper, found = recipe.cook(batch), recipe.shaper(), Statistics()
    documents = shaper.documents(cooked.rows, batch.numbers)
    found.add(batch.texts, cooked.rows, documents)
    found.add_lengths([documents])
    for sequences in chain(shaper.add(documents), shaper.rest()):
        found.add_sequences(sequences, is_own_table=False)
    found.add_shaping(shaper.specials, shaper.repeated, shaper.dropped)
    found.add_vocabulary(tokenizer.vocabulary, tokenizer.unknown_id)
    return found


@patiently
@given(
    texts,
    st.lists(st.integers(0, 20), max_size=4),
    st.sampled_from([None, 2, 5]),
    st.sampled_from(["none", "standard"]),
)
def test_any_cut_into_shards_gives_the_same_statistics(
    rows: list[str | None], cuts: list[int], max_length: int | None, mode: str
) -> None:
    edges = [0, *sorted(cuts), len(rows)]
    shards = [counted(rows[start:stop], max_length, mode) for start, stop in pairwise(edges)]

    merged = reduce(Statistics.__add__, shards, Statistics())

    whole = counted(rows, max_length, mode)
    assert merged == whole
    assert merged.summary() == whole.summary()
    assert as_bytes(merged) == as_bytes(whole)


@patiently
@given(texts, max_lengths, st.sampled_from(["none", "conservative", "strict"]))
def test_every_token_that_came_in_is_accounted_for(rows: list[str | None], max_length: int | None, mode: str) -> None:
    found = counted(rows, max_length, mode)

    totals = found.totals
    lost = sum(totals.tokens_lost.values())
    assert totals.tokens_in + totals.special_tokens == totals.tokens_written + totals.tokens_cut + lost
    assert found.lengths.rows + sum(totals.rows_lost.values()) == totals.rows_in == len(rows)
    assert found.lengths.total == found.frequencies.sum() == totals.tokens_written - totals.special_tokens
    assert found.whole_lengths.total == found.lengths.total + totals.tokens_cut


@functools.cache
def byte_fallback() -> bytes:
    """Knows `a`, `b` and every byte; what is longer than a byte falls to pieces."""
    names = ["[UNK]", "a", "b", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="[UNK]"))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return bytes(tokenizer.to_str(), "utf-8")


def is_half_a_character(token: str) -> bool:
    """Whether the bytes of a token, as either kind of BPE writes them, are no text by themselves."""
    fallback = re.fullmatch(r"<0x(..)>", token)
    raw = bytes.fromhex(fallback[1]) if fallback else bytes(BYTE_OF.get(character, SPACE) for character in token)
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


# With which encoder, the id of the unknown token, and how many special tokens a row gets.
KINDS: dict[str, tuple[Callable[[], bytes], str, int | None, int]] = {
    "bytes": (byte_bpe, "fastokens", None, 0),
    "byte fallback": (byte_fallback, "tokenizers", 0, 0),
    "words": (word_level, "tokenizers", 2, 0),
    "pieces of words": (wordpiece, "tokenizers", 1, 2),
}


@pytest.mark.parametrize("kind", KINDS)
@patiently
@given(rows=spoken, max_length=st.sampled_from([None, 3, 5]))
def test_every_figure_is_what_a_naive_count_comes_to(kind: str, rows: list[str | None], max_length: int | None) -> None:
    json_bytes, encoder, unknown_id, specials = KINDS[kind]
    tokenizer = loaded(json_bytes(), encoder)

    summary = counted(rows, max_length, tokenizer=tokenizer).summary(tokenizer.vocabulary)

    plain = load(json_bytes())
    kept = [row for row in rows if row]
    whole = [plain.encode(row, add_special_tokens=False).ids for row in kept]
    cut = [ids if max_length is None else ids[: max_length - specials] for ids in whole]
    tokens, before = [token for ids in cut for token in ids], sum(map(len, whole))
    often = Counter(tokens)
    pieces = sum(is_half_a_character(plain.id_to_token(token)) for token in tokens) if "byte" in kind else 0
    size = plain.get_vocab_size(with_added_tokens=True)
    top = sorted(often.items(), key=lambda item: (-item[1], item[0]))[:20]
    expected = {
        "rows": len(kept),
        "tokens": len(tokens),
        **shape([len(ids) for ids in cut]),
        "before_cut": {"tokens": before, **shape([len(ids) for ids in whole])},
        "rows_in": len(rows),
        "rows_cut": sum(len(a) < len(b) for a, b in zip(cut, whole, strict=True)),
        "tokens_in": before,
        "tokens_cut": before - len(tokens),
        "special_tokens": specials * len(kept),
        "tokens_written": len(tokens) + specials * len(kept),
        "rows_lost": {"empty": len(rows) - len(kept)} if len(kept) < len(rows) else {},
        "unique_tokens": len(often),
        "vocabulary": {"size": size, "unique": len(often), "coverage": len(often) / size},
        "top_tokens": [[token, tokenizer.vocabulary.texts[token], count] for token, count in top],
        "unknown_tokens": often.get(unknown_id, 0),
        "unknown_share": share(often.get(unknown_id, 0), len(tokens)),
        "pieces": pieces,
        "byte_fallback_share": share(pieces, len(tokens)),
        "bytes_per_token": share(sum(len(row.encode()) for row in kept), before),
        "characters_per_token": share(sum(map(len, kept)), before),
        "tokens_per_word": share(before, sum(len([word for word in words(row) if word]) for row in kept)),
    }
    assert {name: summary[name] for name in expected} == expected
    assert sum(count for _, count in summary["histogram"]) == len(kept)


@pytest.mark.parametrize("rows", [[], [None], ["", None, ""]])
def test_without_a_kept_row_no_share_and_no_length_is_claimed(rows: list[str | None]) -> None:
    tokenizer = loaded(byte_bpe(), "fastokens")

    summary = counted(rows, tokenizer=tokenizer).summary(tokenizer.vocabulary)

    assert (summary["rows"], summary["rows_in"], summary["tokens"]) == (0, len(rows), 0)
    assert (summary["histogram"], summary["top_tokens"], summary["sequences"]) == ([], [], None)
    for name in ("mean", "min", "max", "median", "bytes_per_token", "unknown_share", "byte_fallback_share"):
        assert summary[name] is None
    assert set(summary["percentiles"].values()) == {None}
    assert summary["vocabulary"]["coverage"] == 0


def test_the_share_of_unknown_tokens_and_of_pieces_is_of_what_is_written() -> None:
    unknown = counted(["a b x", "x a"], tokenizer=loaded(word_level())).summary()
    pieces = counted(["ab京"], tokenizer=loaded(byte_fallback())).summary()

    assert (unknown["unknown_tokens"], unknown["unknown_share"]) == (2, 2 / 5)
    assert (pieces["pieces"], pieces["byte_fallback_share"]) == (3, 3 / 5)


@patiently
@given(texts)
def test_text_is_measured_in_bytes_characters_and_words(rows: list[str | None]) -> None:
    totals = counted(rows).totals

    kept = [row for row in rows if row]
    assert totals.text_bytes == sum(len(row.encode()) for row in kept)
    assert totals.characters == sum(map(len, kept))
    assert totals.words == sum(len([word for word in words(row) if word]) for row in kept)


def words(text: str) -> list[str]:
    return "".join(" " if ord(character) <= 32 else character for character in text).split(" ")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_words_are_counted_in_a_slice_of_either_kind_of_text(kind: pa.DataType) -> None:
    column = pa.array(["no no", "one", "", "two three", " four ", "no"], kind)

    assert count_words(column.slice(1, 4)) == 4
    assert count_words(column.slice(2, 1)) == 0


def test_without_rows_there_is_nothing_to_divide_by() -> None:
    summary = Statistics().summary()

    assert summary["rows"] == summary["tokens"] == summary["unique_tokens"] == 0
    assert all(summary[name] is None for name in ("mean", "min", "max", "median", "bytes_per_token", "tokens_per_word"))


def test_lengths_are_known_before_and_after_the_cut() -> None:
    rows: list[str | None] = ["the", "the cat sat on a mat", "on a mat"]

    whole, cut = counted(rows).summary(), counted(rows, max_length=3).summary()

    assert cut["max"] == 3
    assert cut["before_cut"] == whole["before_cut"]
    assert whole["before_cut"]["max"] == whole["max"] > 3
    assert cut["rows_cut"] >= 1


def test_pieces_of_characters_are_counted() -> None:
    assert counted(["the cat"]).totals.pieces == 0
    assert counted(["𝔘𝔫"]).totals.pieces >= 4


def test_top_tokens_are_in_order_and_only_those_that_were_seen() -> None:
    found = Statistics(frequencies=np.array([0, 5, 7, 5, 0]))

    assert found.top_tokens(2) == [(2, 7), (1, 5)]
    assert found.top_tokens(9) == [(2, 7), (1, 5), (3, 5)]


def as_bytes(found: Statistics) -> bytes:
    buffer = BytesIO()
    found.write(buffer)
    return buffer.getvalue()


@patiently
@given(texts)
def test_a_file_gives_back_what_was_written_the_same_bytes_each_time(rows: list[str | None]) -> None:
    found = counted(rows, max_length=4)

    assert Statistics.read(as_bytes(found)) == found
    assert as_bytes(Statistics.read(as_bytes(found))) == as_bytes(found)


def test_statistics_are_read_from_a_path(tmp_path: Path) -> None:
    found = counted(["the cat", None])
    (tmp_path / "x.parquet").write_bytes(as_bytes(found))

    assert Statistics.read(tmp_path / "x.parquet") == found
