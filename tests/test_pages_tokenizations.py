import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets_app.jobs import Status
from datasets_app.models import Dataset
from tests import factories, real
from tokenizations import views
from tokenizations.engine.spec import (
    FilterMode,
    Packing,
    Padding,
    Side,
    Spec,
    Truncation,
    UnicodeForm,
    Whitespace,
)
from tokenizations.models import Tokenization, Tokenizer
from tokenizations.option_help import OPTIONS
from tokenizations.previewing import PreviewedRow

HTMX = {"HX-Request": "true"}
CHOICES = {"text_column": "text", "splits": ["train"], "filter_mode": "none", "filter_threshold": "0.5"}
MESSAGES = "list<element: struct<role: string, content: string>>"
# As a browser sends it: what goes together, each at another value than its default.
EVERYTHING = {
    "sample_rows": "7", "sample_seed": "3", "unicode_form": "nfkc", "remove_control_characters": "on",
    "remove_html": "on", "remove_urls": "on", "remove_emails": "on", "collapse_repeats": "on", "whitespace": "lines",
    "lowercase": "on", "min_characters": "2", "prepend_bos": "on", "append_eos": "on", "bos_token": "<mask>",
    "filter_mode": "strict", "filter_threshold": "0.25", "junk_characters": " -", "remove_all_punctuation": "on",
    "keep_tokens": "C++\r\nC#\r\n\r\n", "min_tokens": "1", "max_tokens": "9,000", "max_length": "1,512",
    "truncation": "left", "packing": "best_fit", "padding": "max_length", "padding_side": "left",
    "special_tokens_mask": "on", "position_ids": "on", "document_ids": "on", "length": "on", "source_row": "on",
}  # fmt: skip
STATISTICS = {
    "rows": 36_226,
    "tokens": 5_610_446,
    "tokens_in": 5_874_316,
    "tokens_written": 5_610_446,
    "mean": 154.87,
    "median": 126.0,
    "min": 32,
    "max": 511,
    "unique_tokens": 150,
    "before_cut": {"mean": 158.4, "max": 1654},
}

FIGURES = {
    **STATISTICS, "rows_in": 10, "rows": 6, "tokens": 80, "tokens_in": 100, "tokens_repeated": 8, "special_tokens": 12,
    "tokens_written": 70, "tokens_cut": 20, "tokens_dropped": 10, "tokens_lost": {"junk": 20}, "rows_lost": {"junk": 4},
    "padding": 26, "min": 1, "max": 19, "percentiles": {"90": 18, "95": 19, "99": 19},
    "histogram": [[1, 4], [11, 2]], "top_tokens": [[5, " the", 20], [7, None, 10]],
    "sequences": {"rows": 8, "tokens": 70, "mean": 8.75, "min": 3, "max": 12, "median": 9},
    "vocabulary": {"size": 300, "unique": 40, "coverage": 0.13}, "unknown_tokens": 1, "unknown_share": 0.0125,
    "byte_fallback_share": 0.5, "bytes_per_token": 4.2, "characters_per_token": 4.1, "tokens_per_word": 1.3,
}  # fmt: skip
NOTHING = {
    "rows": 0, "rows_in": 3, "tokens": 0, "tokens_in": 0, "tokens_written": 0, "tokens_cut": 0, "special_tokens": 0,
    "tokens_lost": {"empty": 0}, "rows_lost": {"empty": 3}, "mean": None, "median": None, "min": None, "max": None,
    "percentiles": {"90": None, "95": None, "99": None}, "before_cut": {"mean": None, "max": None}, "histogram": [],
    "top_tokens": [], "unique_tokens": 0, "unknown_tokens": 0, "unknown_share": None, "byte_fallback_share": None,
    "bytes_per_token": None, "characters_per_token": None, "tokens_per_word": None, "sequences": None, "padding": 0,
}  # fmt: skip


@pytest.fixture
def dataset(owner):
    return factories.ready_dataset("letters", created_by=owner)


@pytest.fixture
def tokenizer(owner):
    made = factories.tokenizer("bytes")
    Tokenizer.objects.filter(pk=made.pk).update(created_by=owner)
    return made


@pytest.fixture
def able(tokenizer):
    """A tokenizer with tokens and a chat template of its own."""
    roles = {"bos": "<s>", "eos": "</s>", "pad": "<pad>"}
    known = {"<s>": 1, "</s>": 2, "<pad>": 3, "<mask>": 4}
    template = "{{ messages }}"
    Tokenizer.objects.filter(pk=tokenizer.pk).update(roles=roles, special_tokens=known, chat_template=template)
    return Tokenizer.objects.get(pk=tokenizer.pk)


@pytest.fixture
def chats(owner):
    made = factories.ready_dataset("talks", created_by=owner)
    Dataset.objects.filter(pk=made.pk).update(columns=[["id", "int64"], ["messages", MESSAGES]], text_column="")
    made.parts.update(row_groups=[{"rows": 40, "bytes": {"messages": 1000}}])
    return Dataset.objects.get(pk=made.pk)


@pytest.fixture
def job(dataset, tokenizer):
    return factories.tokenization(dataset)


def compose(client, dataset, pinned, **choices):
    data = CHOICES | {"tokenizer": str(pinned.pk)} | choices
    return client.post(reverse("tokenizations:new", args=[dataset.pk]), data)


def test_the_composer_starts_from_what_fits_the_dataset(as_owner, dataset, tokenizer):
    html = as_owner.get(reverse("tokenizations:new", args=[dataset.pk])).content.decode()

    assert "bytes: BPE, 300 ids" in html
    assert 'name="splits" value="train" checked' in html
    assert '<option value="text" selected>' in html
    assert 'value="none" checked' in html


def test_without_a_tokenizer_the_composer_sends_for_one(as_owner, dataset):
    assert (
        "There is no tokenizer yet." in as_owner.get(reverse("tokenizations:new", args=[dataset.pk])).content.decode()
    )


def test_a_tokenization_starts_with_every_option_chosen(as_owner, owner, dataset, able):
    answer = compose(as_owner, dataset, able, **EVERYTHING)

    job = Tokenization.objects.get(dataset=dataset)
    assert answer.url == job.get_absolute_url()
    assert job.created_by == owner
    assert job.options == Spec(
        text_column="text", splits=("train",), sample_rows=7, sample_seed=3, unicode_form=UnicodeForm.NFKC,
        remove_control_characters=True, remove_html=True, remove_urls=True, remove_emails=True, collapse_repeats=True,
        whitespace=Whitespace.LINES, lowercase=True, min_characters=2, special_tokens=False, prepend_bos=True,
        append_eos=True, parse_special_tokens=False, bos_token="<mask>", eos_token="</s>", pad_token="<pad>",
        filter_mode=FilterMode.STRICT, filter_threshold=0.25, junk_characters=" -", remove_all_punctuation=True,
        keep_tokens=("C++", "C#"), min_tokens=1, max_tokens=9000, max_length=1512, truncation=Truncation.LEFT,
        packing=Packing.BEST_FIT, padding=Padding.MAX_LENGTH, padding_side=Side.LEFT, attention_mask=False,
        special_tokens_mask=True, position_ids=True, document_ids=True, length=True, source_row=True,
    )  # fmt: skip


def test_what_is_left_empty_takes_its_default(as_owner, dataset, tokenizer):
    compose(as_owner, dataset, tokenizer, special_tokens="on", parse_special_tokens="on", attention_mask="on")

    assert Tokenization.objects.get(dataset=dataset).options == Spec("text", ("train",))


def test_a_template_of_columns_needs_no_column_of_its_own(as_owner, dataset, tokenizer):
    compose(as_owner, dataset, tokenizer, template="Q: {text}\r\n\r\nA: {text}\r\n")

    options = Tokenization.objects.get(dataset=dataset).options
    assert (options.text_column, options.template) == ("", "Q: {text}\n\nA: {text}\n")


@pytest.mark.parametrize(
    ("choices", "option", "said"),
    [
        ({"template": "{nothing}"}, "template", "letters has no text column nothing. Choose one of: text."),
        ({"template": "{"}, "template", "The template is broken"),
        ({"first_rows": "5", "sample_rows": "5"}, "sample_rows", "cannot be had at once. Choose one of the two."),
        ({"truncation": "windows", "max_length": "8", "stride": "8"}, "stride", "A stride of 8 does not fit"),
        ({"packing": "concatenate", "max_length": "8"}, "eos_token", "has no token for end of text"),
        ({"padding": "longest"}, "pad_token", "has no token for padding"),
        ({"bos_token": "<s>"}, "bos_token", "is not a special token of this tokenizer"),
        ({"assistant_mask": "on"}, "assistant_mask", "Only chats have an assistant to mask."),
        ({"chat": "on"}, "chat_template", "has no chat template of its own"),
        ({"min_tokens": "many"}, "min_tokens", "Enter a whole number."),
    ],
)
def test_what_does_not_go_together_is_told_at_its_option(as_owner, dataset, tokenizer, choices, option, said):
    answer = compose(as_owner, dataset, tokenizer, **choices)

    html = answer.content.decode()
    place = html.index(f'data-option="{option}"')
    assert answer.status_code == 422
    assert said in html[place : html.find("data-option=", place + 20)].replace("&#x27;", "'")
    assert all(f'name="{name}"' in html for name in choices)
    assert f'<a href="#option-{option}">' in html


def folded(html):
    """Which of the composer's <details> are open, by the options in them."""
    details = re.findall(r"<details[^>]*?( open)?>(.*?)</details>", html, re.DOTALL)
    return {name: bool(is_open) for is_open, inside in details for name in re.findall(r'data-option="(\w+)"', inside)}


def test_what_few_people_need_is_folded_away(as_owner, dataset, tokenizer):
    html = as_owner.get(reverse("tokenizations:new", args=[dataset.pk])).content.decode()

    hidden = folded(html)
    assert not any(hidden.values())
    assert {"lowercase", "packing", "padding", "source_row", "template", "keep_tokens"} <= hidden.keys()
    assert not hidden.keys() & {"text_column", "splits", "max_length", "special_tokens", "filter_mode"}


@pytest.mark.parametrize(
    ("choices", "opened"),
    [
        ({"lowercase": "on"}, "unicode_form"),
        ({"min_tokens": "x"}, "keep_tokens"),
        ({"first_rows": "0"}, "sample_rows"),
        ({"parse_special_tokens": ""}, "pad_token"),
        ({"packing": "concatenate"}, "last_block"),
    ],
)
def test_what_was_chosen_or_is_wrong_stands_open(as_owner, dataset, tokenizer, choices, opened):
    asked = {"parse_special_tokens": "on", "attention_mask": "on", "max_length": "1", **choices}

    hidden = folded(compose(as_owner, dataset, tokenizer, **asked).content.decode())

    assert hidden[opened]
    assert not hidden["source_row"]


def test_no_length_keeps_whole_rows(as_owner, dataset, tokenizer):
    compose(as_owner, dataset, tokenizer, max_length="")

    assert Tokenization.objects.get(dataset=dataset).options.max_length is None


def test_the_same_again_leads_to_the_one_there_is(as_owner, dataset, tokenizer):
    first = compose(as_owner, dataset, tokenizer)
    second = compose(as_owner, dataset, tokenizer)

    assert second.url == first.url
    assert "The same was asked for before" in as_owner.get(second.url).content.decode()


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"max_length": "1"}, "A maximum length of 1 is not possible."),
        ({"max_length": "many"}, "Enter a whole number."),
        ({"filter_threshold": "0"}, "not over 0"),
        ({"filter_threshold": "1.5"}, "is not over 0 and at most 1"),
        ({"splits": []}, "Choose at least one split."),
        ({"splits": ["elsewhere"]}, "Select a valid choice"),
        ({"filter_mode": "brutal"}, "Select a valid choice"),
        ({"tokenizer": str(uuid.uuid4())}, "This tokenizer is gone. Choose another."),
        ({"text_column": "number"}, "Select a valid choice"),
    ],
)
def test_bad_options_are_told_beside_the_field(as_owner, dataset, tokenizer, choices, said):
    answer = compose(as_owner, dataset, tokenizer, **choices)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Tokenization.objects.exists()


def test_a_length_without_room_for_text_is_refused(as_owner, dataset, tokenizer):
    Tokenizer.objects.filter(pk=tokenizer.pk).update(specials_added=2)

    answer = compose(as_owner, dataset, tokenizer, max_length="2", special_tokens="on")

    assert answer.status_code == 422
    assert "has no room for text" in answer.content.decode()


def test_what_is_still_imported_cannot_be_tokenized(as_owner, owner):
    dataset = factories.queued_dataset("early", created_by=owner)

    answer = as_owner.get(reverse("tokenizations:new", args=[dataset.pk]))

    assert answer.url == dataset.get_absolute_url()
    assert "can be tokenized when its import is finished" in as_owner.get(answer.url).content.decode()


def test_an_earlier_one_can_be_changed(as_owner, dataset, able):
    compose(as_owner, dataset, able, **EVERYTHING)
    earlier = Tokenization.objects.get(dataset=dataset)

    answer = as_owner.get(reverse("tokenizations:new", args=[dataset.pk]), {"like": str(earlier.pk)})

    form = answer.context["form"]
    shown = {name: form[name].value() for name in OPTIONS}
    own = {"eos_token": "", "pad_token": ""}  # the tokenizer's: another one has others
    assert shown == {**earlier.spec, **own, "keep_tokens": "C++\nC#"}
    html = answer.content.decode()
    assert 'name="max_length" value="1512"' in html
    assert "C++\nC#</textarea>" in html
    assert 'value="strict" checked' in html
    assert [name for name, is_open in folded(html).items() if not is_open] == ["chat", "template", "chat_template"]


def test_an_earlier_chat_does_not_keep_the_template_of_its_tokenizer(as_owner, chats, able):
    data = {"chat": "on", "parse_special_tokens": "on", "text_column": "messages"}
    compose(as_owner, chats, able, **data)
    earlier = Tokenization.objects.get(dataset=chats)

    answer = as_owner.get(reverse("tokenizations:new", args=[chats.pk]), {"like": str(earlier.pk)})

    assert earlier.options.chat_template == able.chat_template
    assert not answer.context["form"]["chat_template"].value()


def test_a_dataset_of_chats_is_proposed_as_such(as_owner, chats, able):
    html = as_owner.get(reverse("tokenizations:new", args=[chats.pk])).content.decode()

    assert "The rows are read as chats" in html
    assert re.search(r'name="chat"[^>]* checked', html)
    assert not re.search(r'name="special_tokens"[^>]* checked', html)
    assert '<option value="messages" selected>messages (chats)</option>' in html
    assert 'hx-trigger="load, change from:#step-tokenizer' in html


def test_a_dataset_with_a_text_column_is_not(as_owner, dataset, tokenizer):
    Dataset.objects.filter(pk=dataset.pk).update(columns=[["text", "string"], ["messages", MESSAGES]])

    html = as_owner.get(reverse("tokenizations:new", args=[dataset.pk])).content.decode()

    assert "The rows are read as chats" not in html
    assert not re.search(r'name="chat"[^>]* checked', html)
    assert "chat" not in folded(html)
    assert 'hx-trigger="change from:#step-tokenizer' in html


def ask_for_preview(client, dataset, pinned, **choices):
    data = CHOICES | {"tokenizer": str(pinned.pk)} | choices
    return client.post(reverse("tokenizations:preview", args=[dataset.pk]), data, headers=HTMX)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"template": "{nothing}"}, "letters has no text column nothing."),
        ({"chat": "on"}, "has no chat template of its own"),
        ({"min_characters": "x"}, "Enter a whole number."),
        ({"tokenizer": str(uuid.uuid4())}, "This tokenizer is gone. Choose another."),
    ],
)
def test_a_preview_says_what_is_wrong_with_the_text(as_owner, dataset, tokenizer, choices, said):
    answer = ask_for_preview(as_owner, dataset, tokenizer, **choices)

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert 'id="first-rows"' in answer.content.decode()


def test_a_fault_elsewhere_does_not_hide_the_preview(as_owner, dataset, tokenizer, monkeypatch):
    asked = []
    monkeypatch.setattr(views, "previewed", lambda dataset, spec, rows: asked.append(spec) or [PreviewedRow("hello")])

    html = ask_for_preview(as_owner, dataset, tokenizer, stride="9", lowercase="on").content.decode()

    assert "hello" in html
    assert asked == [Spec("text", ("train",), lowercase=True, special_tokens=False)]


def test_a_preview_shows_rows_that_fail_beside_the_others(as_owner, dataset, tokenizer, monkeypatch):
    rows = [PreviewedRow("<b>bold</b>"), PreviewedRow(problem="No user turn."), PreviewedRow()]
    monkeypatch.setattr(views, "previewed", lambda *args: rows)

    html = ask_for_preview(as_owner, dataset, tokenizer).content.decode()

    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert "No user turn." in html
    assert "this row would be dropped" in html


def test_a_preview_takes_a_post_and_a_dataset_with_rows(as_owner, as_stranger, owner, dataset, tokenizer):
    early = factories.queued_dataset("early", created_by=owner)

    assert as_owner.get(reverse("tokenizations:preview", args=[dataset.pk])).status_code == 405
    assert ask_for_preview(as_owner, early, tokenizer).status_code == 404
    assert ask_for_preview(as_stranger, dataset, tokenizer).status_code == 401


def test_a_colleague_may_tokenize_what_is_not_theirs(as_colleague, colleague, dataset, tokenizer):
    compose(as_colleague, dataset, tokenizer)

    assert Tokenization.objects.get(dataset=dataset).created_by == colleague


def test_a_running_one_shows_its_panel_and_options(as_colleague, job):
    job.start()

    html = as_colleague.get(job.get_absolute_url()).content.decode()

    assert f'id="job-{job.pk}"' in html
    assert f"/ws/live/?tokenization={job.pk}" in html
    assert "whole rows" in html
    assert "Cancel tokenization" not in html
    assert "Load in Python" not in html


def test_a_finished_one_shows_its_figures_and_how_to_open_it(as_owner, job):
    job.start()
    job.complete(
        "Done.", statistics=STATISTICS, output_bytes=22_000_000, encoder="fastokens", encoder_reason="same ids"
    )

    html = as_owner.get(job.get_absolute_url()).content.decode()

    for said in (
        "tokens/s encoded",
        "5,610,446",
        "154.9",
        "126",
        "32 to 511",
        "50.0% of 300",
        "22.0 MB",
        "fastokens",
        "same ids",
    ):
        assert said in html
    assert "load_from_disk" in html
    assert str(job.path) in html


def finished(client, job, statistics):
    job.start()
    job.complete("Done.", statistics=statistics)
    return client.get(job.get_absolute_url()).content.decode()


def test_a_finished_one_shows_where_every_token_went(as_owner, job):
    html = finished(as_owner, job, FIGURES)

    ledger = html[html.index("Where every token went") :]
    for said in ("Came in", "Repeated by windows", "Written", "Filtered: junk", "Cut", "Dropped by packing", "120"):
        assert said in ledger
    assert "26 tokens of padding stand apart." in ledger


def test_a_finished_one_shows_its_lengths_and_its_tokens(as_owner, job):
    html = finished(as_owner, job, FIGURES)

    assert "6 rows of 1 to 19 tokens; the most, 4, have 1 to 10." in html
    assert "<title>11 to 19 tokens: 2 rows</title>" in html
    assert "<bdi>␣the</bdi>" in html
    assert "<em>id 7</em>" in html  # nobody knows more of it than its id
    assert figures_on(html)["Median document"][1].endswith("p90 18, p95 19")
    assert figures_on(html)["Shortest to longest document"][1].startswith("p99 19")
    assert "1.25% of the tokens" in html


def test_all_that_is_much_longer_is_in_one_bar(as_owner, job):
    html = finished(as_owner, job, FIGURES | {"max": 90_000, "histogram": [[0, 4], [10, 1], [20, 1]]})

    assert "<title>20+ tokens: 1 rows</title>" in html
    assert 'text-anchor="end">20+</text>' in html
    assert '<th scope="row">20+</th>' in html
    assert "6 rows of 1 to 90,000 tokens; the most, 4, have 0 to 9; 1 have 20+." in html


def figures_on(html):
    """What each tile says, by its label: the figure, and the words below it."""
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd><dd>(.*?)</dd></div>", html[html.index('aria-label="Figures"') :])
    return {name: (figure, re.sub("<.*?>", "", below).strip()) for name, figure, below in tiles}


def test_the_tokens_are_those_on_disk_and_told_from_those_that_came_in(as_owner, job):
    tiles = figures_on(finished(as_owner, job, FIGURES))

    said = "100 came in; 8 repeated by windows; 12 special ones added; 20 left out with their rows; 20 cut; "
    assert tiles["Tokens"] == ("70", said + "10 dropped by packing")


def test_lengths_of_documents_are_told_from_those_of_sequences(as_owner, job):
    tiles = figures_on(finished(as_owner, job, FIGURES))

    assert tiles["Mean document"] == ("154.9", "sequences 8.8 158.4 before the cut")
    assert tiles["Median document"][1].startswith("sequences 9 ")
    assert tiles["Shortest to longest document"] == ("1 to 19", "p99 19 sequences 3 to 12 1,654 before the cut")


def test_where_nothing_was_cut_no_length_before_it_is_told(as_owner, job):
    tiles = figures_on(finished(as_owner, job, FIGURES | {"tokens_cut": 0, "sequences": None}))

    assert tiles["Mean length"] == ("154.9", "")
    assert tiles["Shortest to longest"] == ("1 to 19", "p99 19")


def test_several_splits_are_shown_beside_each_other(as_owner, job):
    one = finished(as_owner, job, FIGURES | {"splits": {"train": FIGURES}})
    Tokenization.objects.filter(pk=job.pk).update(
        statistics=FIGURES | {"splits": {"train": FIGURES, "held_out": NOTHING}}
    )
    several = as_owner.get(job.get_absolute_url()).content.decode()

    assert 'id="splits-title"' not in one
    table = several[several.index('id="splits-title"') :]
    assert "held_out" in table
    assert "no data" in table


def test_without_a_kept_row_there_is_no_data(as_owner, job):
    html = finished(as_owner, job, NOTHING)

    nothing = {name for name, tile in figures_on(html).items() if tile == ("no data", "")}
    lengths = {"Mean length", "Median length", "Shortest to longest"}
    assert nothing == lengths | {"Bytes per token", "Tokens per word", "Pieces of characters"}
    assert html.count("no data") == len(nothing) + 2  # the chart, and the most frequent tokens
    assert "Filtered: empty" in html


def test_what_an_earlier_version_did_not_count_is_not_available(as_owner, job):
    html = finished(as_owner, job, STATISTICS)

    figures = html[html.index('aria-label="Figures"') :]
    assert figures.count("N/A") > 5
    assert "no data" not in figures


def test_the_options_say_what_is_not_at_its_default(as_owner, dataset, able):
    compose(as_owner, dataset, able, **EVERYTHING)

    html = as_owner.get(Tokenization.objects.get(dataset=dataset).get_absolute_url()).content.decode()

    shown = html[html.index('id="options-title"') :]
    for said in ("7 of each split at random, seed 3", "blocks of 1,512 tokens", "Lower case", "NFKC", "C++  C#",
                 "Best fit, no row split", "To the maximum length", "strict"):  # fmt: skip
        assert said in shown
    assert "Multiple of" not in shown
    for column, said in (("attention_mask", "left out"), ("position_ids", "written"), ("source_row", "written")):
        assert re.search(rf"<dt>{column}</dt><dd[^>]*>{said}</dd>", shown)


@pytest.mark.parametrize(
    ("specials", "chosen", "said"), [(2, True, "added"), (2, False, "left out"), (0, True, "this tokenizer adds none")]
)
def test_the_options_say_what_the_special_tokens_come_to(as_owner, job, specials, chosen, said):
    Tokenizer.objects.update(specials_added=specials)
    Tokenization.objects.filter(pk=job.pk).update(spec=job.spec | {"special_tokens": chosen})

    html = as_owner.get(job.get_absolute_url()).content.decode()

    assert f"<dt>Special tokens</dt><dd>{said}</dd>" in html


def test_a_finished_one_without_statistics_is_shown_all_the_same(as_owner, job):
    job.start()
    job.complete("Done.")

    assert as_owner.get(job.get_absolute_url()).status_code == 200


def test_a_page_that_has_seen_all_is_told_so(as_owner, job):
    first = as_owner.get(job.get_absolute_url(), headers=HTMX)
    same = as_owner.get(job.get_absolute_url(), headers=HTMX | {"If-None-Match": first["ETag"]})
    job.start()
    changed = as_owner.get(job.get_absolute_url(), headers=HTMX | {"If-None-Match": first["ETag"]})

    assert same.status_code == 304
    assert "<html" not in changed.content.decode()
    assert 'data-status="running"' in changed.content.decode()


def test_deleting_asks_first_and_then_hides_it(as_owner, dataset, job):
    address = reverse("tokenizations:delete", args=[job.pk])

    asked = as_owner.get(address).content.decode()
    answer = as_owner.post(address)

    assert "Delete tokenization" in asked
    assert "The dataset and the tokenizer stay." in asked
    assert answer.url == dataset.get_absolute_url()
    assert as_owner.get(job.get_absolute_url()).status_code == 404


def test_a_colleague_cannot_delete(as_colleague, job):
    assert as_colleague.get(reverse("tokenizations:delete", args=[job.pk])).status_code == 403
    assert as_colleague.post(reverse("tokenizations:delete", args=[job.pk])).status_code == 403
    assert Tokenization.objects.visible().filter(pk=job.pk).exists()


@pytest.mark.parametrize("name", ["detail", "delete", "new", "delete_tokenizer"])
def test_what_is_missing_is_not_found(as_owner, name):
    assert as_owner.get(reverse(f"tokenizations:{name}", args=[uuid.uuid4()])).status_code == 404


def test_reading_takes_a_get(as_owner, job):
    assert as_owner.post(job.get_absolute_url()).status_code == 405
    assert as_owner.post(reverse("tokenizations:tokenizers")).status_code == 405
    assert as_owner.get(reverse("tokenizations:sample")).status_code == 405


def test_the_tokenizers_are_listed_with_their_uses(as_colleague, job, tokenizer):
    html = as_colleague.get(reverse("tokenizations:tokenizers")).content.decode()

    assert "bytes" in html
    assert 'data-label="tokenizations">1<' in html
    assert "Delete bytes" not in html


def test_the_tokenizers_are_listed_by_name(as_owner):
    for name in ("c", "a", "b"):
        factories.tokenizer(name)

    listed = as_owner.get(reverse("tokenizations:tokenizers")).context["tokenizers"]

    assert [tokenizer.name for tokenizer in listed] == ["a", "b", "c"]


def test_the_queries_of_the_list_do_not_grow_with_the_tokenizers(as_owner, django_assert_max_num_queries):
    factories.tokenizer("one")
    with django_assert_max_num_queries(20) as few:
        as_owner.get(reverse("tokenizations:tokenizers"))
    for name in ("two", "three", "four"):
        factories.tokenizer(name)

    with django_assert_max_num_queries(len(few)):
        as_owner.get(reverse("tokenizations:tokenizers"))


def add(client, name, *files):
    sent = [SimpleUploadedFile(file_name, content) for file_name, content in files]
    return client.post(reverse("tokenizations:add_tokenizer"), {"name": name, "files": sent})


def test_a_tokenizer_is_added_from_its_file(as_owner, owner, tmp_path):
    content = real.byte_bpe(tmp_path / "tokenizer.json").read_bytes()

    answer = add(as_owner, "mine", ("my own.json", content))

    added = Tokenizer.objects.get(name="mine")
    assert answer.url == reverse("tokenizations:tokenizers")
    assert (added.created_by, added.kind, added.source) == (owner, "BPE", "my own.json")
    assert added.path.exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("tokenizer.json", b"{}")], "tokenizer"),
        ([("vocab.json", b"{}")], "vocab.json and merges.txt together"),
        ([("tokenizer.json", b"{}"), ("other.json", b"{}")], "vocab.json and merges.txt together"),
        ([], "Choose its files."),
    ],
)
def test_what_is_no_tokenizer_is_refused(as_owner, files, said):
    answer = add(as_owner, "mine", *files)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Tokenizer.objects.exists()


def test_a_tokenizer_needs_a_name_and_files_that_hold_something(as_owner):
    html = add(as_owner, "", ("tokenizer.json", b"")).content.decode()

    assert "Give it a name." in html
    assert "tokenizer.json is empty." in html


def test_a_taken_name_is_told_beside_the_name(as_owner, tokenizer, tmp_path):
    content = real.byte_bpe(tmp_path / "tokenizer.json").read_bytes()

    answer = add(as_owner, tokenizer.name, ("tokenizer.json", content))

    assert answer.status_code == 422
    assert "There is already a tokenizer named bytes." in answer.content.decode()


def test_a_tokenizer_in_use_stays(as_owner, job, tokenizer):
    address = reverse("tokenizations:delete_tokenizer", args=[tokenizer.pk])

    asked = as_owner.get(address).content.decode()
    as_owner.post(address)

    assert "1 tokenization was made with it." in asked
    assert Tokenizer.objects.filter(pk=tokenizer.pk).exists()


def test_a_tokenizer_without_use_goes(as_owner, as_colleague, tokenizer):
    address = reverse("tokenizations:delete_tokenizer", args=[tokenizer.pk])

    assert as_colleague.post(address).status_code == 403
    assert "300 ids" in as_owner.get(address).content.decode()
    assert as_owner.post(address).url == reverse("tokenizations:tokenizers")
    assert not Tokenizer.objects.exists()


def test_the_sample_is_added_with_one_button(as_owner, owner):
    answer = as_owner.post(reverse("tokenizations:sample"))

    assert answer.status_code == 302
    assert answer.url.startswith("/datasets/")


def test_a_page_of_a_ready_dataset_counts_its_status(as_owner, job, dataset):
    Tokenization.objects.filter(pk=job.pk).update(status=Status.READY)

    html = as_owner.get(dataset.get_absolute_url()).content.decode()

    assert f'href="{job.get_absolute_url()}"' in html


def test_a_tokenizer_brings_its_roles_and_its_chat_template(as_owner, tmp_path):
    content = real.byte_bpe(tmp_path / "tokenizer.json").read_bytes()
    config = b'{"bos_token": "<|endoftext|>", "chat_template": "{{ messages }}", "auto_map": {"AutoTokenizer": "x.X"}}'

    add(as_owner, "mine", ("my own.json", content), ("tokenizer_config.json", config))

    added = Tokenizer.objects.get(name="mine")
    assert added.roles == {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}
    assert added.chat_template == "{{ messages }}"
    assert added.source == "my own.json, tokenizer_config.json"


def test_a_tokenizer_from_before_has_its_roles_guessed(tokenizer):
    Tokenizer.objects.filter(pk=tokenizer.pk).update(roles={}, special_tokens={"<s>": 1, "[SEP]": 2})
    tokenizer.refresh_from_db()

    assert tokenizer.traits.roles == {"bos": "<s>"}
