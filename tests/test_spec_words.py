"""What tells one tokenization from another, in few words."""

import pytest
from django.urls import reverse

from datasets_app.jobs import Status
from datasets_app.models import Dataset
from tests import factories
from tests.admin_pages import address
from tokenizations.engine.spec import Packing, Spec, Truncation
from tokenizations.models import Tokenization
from tokenizations.option_help import OPTIONS
from tokenizations.spec_words import WORDS, length_words, other_words, short_length

USUAL = {"text_column": "text", "splits": ["train", "test"], "eos_token": "</s>"}


def spec(**options):
    return Spec(**{"text_column": "text", "splits": ("train", "test"), "max_length": 2048, **options}).to_dict()


def test_every_option_has_words():
    assert WORDS.keys() | {"max_length", "truncation"} == OPTIONS.keys()


def test_what_goes_without_saying_is_not_said():
    assert other_words(spec(), USUAL) == []
    assert (
        other_words(spec(splits=("test", "train"), eos_token="</s>", filter_threshold=0.25, sample_seed=3), USUAL) == []
    )
    assert other_words({}, USUAL) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"padding": "max_length"}, ["padded"]),
        ({"padding": "longest", "padding_side": "left"}, ["padded to the longest", "padded at the start"]),
        ({"filter_mode": "strict", "filter_threshold": 0.25}, ["filter strict", "threshold 0.25"]),
        ({"sample_rows": 1000, "sample_seed": 3}, ["sample 1,000", "seed 3"]),
        ({"first_rows": 1000, "splits": ("test",)}, ["only test", "first 1,000"]),
        ({"template": "{a} {b}", "text_column": ""}, ["template"]),
        ({"chat": True, "text_column": "said", "special_tokens": False}, ["column said", "chat", "no special tokens"]),
        ({"lowercase": True, "remove_html": True, "unicode_form": "nfc"}, ["cleaned"]),
        ({"packing": "concatenate", "last_block": "drop"}, ["concatenated", "last block dropped"]),
        ({"append_eos": True, "eos_token": "<end>"}, ["EOS", "EOS <end>"]),
        ({"attention_mask": False, "source_row": True}, ["no attention_mask", "source_row"]),
    ],
)
def test_whatever_is_chosen_is_said(options, said):
    assert other_words(spec(**options), USUAL) == said


@pytest.mark.parametrize(
    ("options", "short", "long"),
    [
        ({}, "2,048", "up to 2,048 tokens, cut right"),
        ({"max_length": None}, "whole rows", "whole rows"),
        ({"truncation": Truncation.LEFT}, "2,048 cut left", "up to 2,048 tokens, cut left"),
        ({"truncation": Truncation.WINDOWS}, "2,048 windows", "windows of 2,048 tokens"),
        ({"packing": Packing.BEST_FIT}, "2,048 packed", "blocks of 2,048 tokens"),
    ],
)
def test_the_length_is_said_short_and_long(options, short, long):
    assert (short_length(spec(**options)), length_words(spec(**options))) == (short, long)


def test_without_a_known_length_there_is_none():
    assert short_length({}) == length_words({}) == "length N/A"


@pytest.fixture
def twins(owner):
    """Two tokenizations that differ in nothing but one option."""
    dataset = factories.ready_dataset("letters", created_by=owner)
    jobs = [factories.tokenization(dataset, max_length=2048, filter_mode=mode) for mode in ("none", "strict")]
    Tokenization.objects.update(status=Status.READY)
    return dataset, jobs


def test_cards_pages_and_confirmations_tell_two_of_a_kind_apart(as_owner, twins):
    dataset, (_, strict) = twins
    pages = [reverse("datasets:list"), reverse("datasets:delete", args=[dataset.pk]), strict.get_absolute_url(),
             reverse("tokenizations:delete", args=[strict.pk])]  # fmt: skip

    for page in pages:
        assert "filter strict" in as_owner.get(page).content.decode(), page


def test_the_chip_that_is_cut_off_says_it_all_in_its_title(as_owner, twins):
    html = as_owner.get(reverse("datasets:list")).content.decode()

    assert 'title="bytes: 2,048 · 0 tokens"' in html
    assert 'title="bytes: 2,048, filter strict · 0 tokens"' in html


def test_the_administration_tells_them_apart(admin_client, twins):
    dataset, (_, strict) = twins

    for page in (address(Tokenization, "changelist"), address(Tokenization, "delete", strict.pk),
                 address(Dataset, "delete", dataset.pk)):  # fmt: skip
        assert "filter strict" in admin_client.get(page).content.decode()
