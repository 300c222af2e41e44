import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_samples import patiently, spec
from tokenizations.engine.cleaning import Cleaner

EVERYTHING = {
    "remove_html": True,
    "remove_urls": True,
    "remove_emails": True,
    "remove_control_characters": True,
    "unicode_form": "nfkc",
    "collapse_repeats": True,
    "whitespace": "lines",
    "lowercase": True,
}
CODE = '''def mean(numbers):
    """The mean; see [1]."""
\tif not numbers or numbers[0] != 1000000 and x < b:  # !!
        return {"a": [[[[[0]]]]], "b": 0xFFFFFFFF, "c": "#ffffff"}
    std::vector<int> v; Map<String, List<Object>> m; fn<T>(&x) -> Option<U>;
    #include <map>
    a = b << 2 >> 1; y = p->next && *q; z = i<n;  "YYYY-MM-DD";;;;; ))))) ,,,,, ///// 2>&1
'''
# Each of them makes some naive pattern take the square of its length, or longer.
NASTY = [
    "<", "<!--", "<!-->", "-->", "</", "<a", "<a ", '<a href="', "<a href='<", "<script>",
    "<style><script>", "</script",
    "<p>", "<a \"'", "<a b='<a c='\"", '<a b="<a c="', "<a b='<p c=\"x\"'", '="', "&", "&#", "&a", "@",
    "a@", "a.", "a@b.",
    "a@b-", "a@b.co", "http://", "www.", "http://(", "http://)", "http://a )", "!", "aaaaa", "#", "0x",
    " ", "\t ", "\t \n ",
]  # fmt: skip
ACCENTS = ["\u0301\u0323", "e\u0301", "\u0f73\u0301", "\u1100\u1161", "\uff41"]
A_MEGABYTE = 1 << 20
# A machine under load needs a multiple of the half second that the slowest takes; squares take hours.
SECONDS = 20.0


def cleaned(text: str, **options: object) -> str:
    return Cleaner(spec(**options)).clean(text)


def test_nothing_is_done_unless_asked_for() -> None:
    cleaner = Cleaner(spec(min_characters=9))
    text = " <b>A</b>\x00 ﬁ  \t\r\n"

    assert cleaner.is_idle
    assert cleaner.clean(text) is text


@pytest.mark.parametrize("option", EVERYTHING)
def test_each_step_is_a_switch_of_its_own(option: str) -> None:
    text = "<b>A</b>\x00 ﬁ  http://a.org x@y.org soooooo"

    cleaner = Cleaner(spec(**{option: EVERYTHING[option]}))

    assert not cleaner.is_idle
    assert cleaner.clean(text) != text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<p>One</p>\n<p class='x'>Two</p>", "One\n\nTwo\n"),
        ("<ul><li>One<li>Two</ul>", "One\nTwo\n"),
        ("one<br>two<BR />three", "one\ntwo\nthree"),
        ("<tr><td>1</td><td>2</td></tr>", "1 2 \n"),
        ('H<sub>2</sub>O is <b>wet</b>, <a href="x>y" download>see</a>', "H2O is wet, see"),
        ("<!DOCTYPE html><!-- a <b> -- c -->text<!---->", "text"),
        ("<script async>if (a < '</b>') {}</script><STYLE>b {}</STYLE >text", "text"),
        ("&lt;b&gt; &amp;amp; &#65;&#x42; &nbsp;&copy;", "<b> &amp; AB \xa0©"),
        ("an <!-- unclosed comment", "an <!-- unclosed comment"),
        ("an <script> unclosed <b>script</b>", "an  unclosed script"),
    ],
)
def test_html_is_taken_out(text: str, left: str) -> None:
    assert cleaned(text, remove_html=True) == left


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d", "a <b and c> d", "1<2>0", "if (a<b) x>>=1", "vector<int> <T> <String>", "List<Object>",
        "Set<U> fn<A>() std::<I>", "#include <map>\n#include<time>", "<a@b.org>", "<https://x.org>", "<?php a ?>",
        "a && b &copy=1 &notit; R&D &unknown;", "<-- <- -> --> <>", "<name> </none>", "x <a, b> y", "<a 'broken>",
    ],
)  # fmt: skip
def test_what_only_looks_like_html_stays(text: str) -> None:
    assert cleaned(text, remove_html=True) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("See https://a.org/b?c=d#e, and (http://x.org/y_(z)).", "See , and ()."),
        ("[text](ftp://a.org) <http://b.org> 'www.c.org'", "[text]() <> ''"),
        ("请看http://a.org，谢谢 HTTP://B.ORG", "请看，谢谢 "),
        ("awww. xhttp://a http:// e.g. www. a://b", "awww. xhttp://a http:// e.g. www. a://b"),
    ],
)
def test_urls_are_taken_out(text: str, left: str) -> None:
    assert cleaned(text, remove_urls=True) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to a.b+c@d-e.co.uk, or <x@y.org>.", "Write to , or <>."),
        ("联系bob@example.com吧", "联系吧"),
        ("@decorator a @ b x@y user@host 5@6.7", "@decorator a @ b x@y user@host 5@6.7"),
    ],
)
def test_email_addresses_are_taken_out(text: str, left: str) -> None:
    assert cleaned(text, remove_emails=True) == left


def test_control_characters_are_those_of_category_cc_without_line_ends_and_tabs() -> None:
    every = "".join(map(chr, range(0x3000)))

    left = cleaned(every, remove_control_characters=True)

    assert set(every) - set(left) == {c for c in every if unicodedata.category(c) == "Cc"} - set("\n\r\t")


@pytest.mark.parametrize(("form", "left"), [("nfc", "é ﬁ Å"), ("nfkc", "é fi Å")])
def test_texts_are_brought_into_a_unicode_form(form: str, left: str) -> None:
    assert cleaned("e\u0301 ﬁ \u212b", unicode_form=form) == left


def test_a_thousand_accents_in_a_row_are_still_put_together_with_their_letter() -> None:
    text = "e" + "\u0301" * 1000 + " e\u0301"

    assert cleaned(text, unicode_form="nfc") == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Sooooooo goood!!!!!!! Really??? 哈哈哈哈哈哈", "Sooo goood!!! Really??? 哈哈哈"),
        ("=======\n-----\n....", "===\n---\n...."),
        ("YYYY-MM-DD 1000000 0xFFFFFFFF #ffffff \\uffff", "YYYY-MM-DD 1000000 0xFFFFFFFF #ffffff \\uffff"),
        ("          x)))))) ]]]]]] ,,,,,, '''''' //////", "          x)))))) ]]]]]] ,,,,,, '''''' //////"),
    ],
)
def test_five_of_the_same_letter_or_sign_become_three(text: str, left: str) -> None:
    assert cleaned(text, collapse_repeats=True) == left


def test_white_space_can_be_narrowed_within_lines() -> None:
    text = "    indented   by\tfour \xa0 \n\n \t \n\r\nlast\u3000one\t"

    assert cleaned(text, whitespace="lines") == "    indented by four\n\n\n\r\nlast one"


def test_white_space_can_be_narrowed_to_one_line() -> None:
    assert cleaned("  one\r\n\t two\u2028\xa0three ", whitespace="all") == "one two three"


def test_letters_can_be_made_small() -> None:
    assert cleaned("ÄÖÜ ΑΣ DŽ", lowercase=True) == "äöü ας dž"


@pytest.mark.parametrize("option", ["remove_html", "remove_urls", "remove_emails", "collapse_repeats"])
def test_code_survives(option: str) -> None:
    assert cleaned(CODE, **{option: True}) == CODE


def test_code_survives_but_for_gaps_within_its_lines() -> None:
    changed = CODE.replace("b:  #", "b: #").replace('i<n;  "', 'i<n; "')

    assert cleaned(CODE, unicode_form="nfkc", remove_control_characters=True, whitespace="lines") == changed


pieces = st.sampled_from([*NASTY, *ACCENTS, *"<>&;/ \t\n\r\x00\x85\u2028@.:#'\"aA0!-()", "<!--", "http", "://", "www."])
texts = st.lists(pieces | st.text(max_size=3)).map("".join)


@patiently
@given(texts)
def test_it_never_raises_and_always_ends_up_with_the_same(text: str) -> None:
    cleaner = Cleaner(spec(**EVERYTHING))

    assert cleaner.clean(text) == cleaner.clean(text)


@pytest.mark.parametrize("option", [option for option in EVERYTHING if option != "remove_html"])
@patiently
@given(texts)
def test_what_was_cleaned_stays_as_it_is(option: str, text: str) -> None:
    once = cleaned(text, **{option: EVERYTHING[option]})

    assert cleaned(once, **{option: EVERYTHING[option]}) == once


@pytest.mark.parametrize("piece", [*NASTY, *ACCENTS])
def test_a_megabyte_of_anything_takes_no_longer_than_it_should(piece: str) -> None:
    text = (piece * A_MEGABYTE)[:A_MEGABYTE]
    started = time.perf_counter()

    for end in ("", ">", "x"):
        cleaned(text + end, **EVERYTHING)

    assert time.perf_counter() - started < SECONDS
