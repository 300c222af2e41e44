import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets_app.jobs import Status
from tests import factories, real
from tokenizations.models import Tokenization, Tokenizer

HTMX = {"HX-Request": "true"}
CHOICES = {"text_column": "text", "splits": ["train"], "filter_mode": "none", "filter_threshold": "0.5"}
STATISTICS = {
    "rows": 36_226,
    "tokens": 5_610_446,
    "tokens_in": 5_874_316,
    "mean": 154.87,
    "median": 126.0,
    "min": 32,
    "max": 511,
    "unique_tokens": 150,
    "before_cut": {"mean": 158.4, "max": 1654},
}


@pytest.fixture
def dataset(owner):
    return factories.ready_dataset("letters", created_by=owner)


@pytest.fixture
def tokenizer(owner):
    made = factories.tokenizer("bytes")
    Tokenizer.objects.filter(pk=made.pk).update(created_by=owner)
    return made


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


def test_a_tokenization_starts_with_every_option_chosen(as_owner, owner, dataset, tokenizer):
    chosen = {"max_length": "512", "special_tokens": "on", "filter_mode": "strict", "filter_threshold": "0.25"}

    answer = compose(as_owner, dataset, tokenizer, **chosen)

    job = Tokenization.objects.get(dataset=dataset)
    assert answer.url == job.get_absolute_url()
    assert job.created_by == owner
    assert job.spec == {
        "text_column": "text",
        "splits": ["train"],
        "max_length": 512,
        "special_tokens": True,
        "attention_mask": False,
        "filter_mode": "strict",
        "filter_threshold": 0.25,
    }


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
        ({"max_length": "1"}, "greater than or equal to 2"),
        ({"max_length": "many"}, "Enter a whole number."),
        ({"filter_threshold": "0"}, "not over 0"),
        ({"filter_threshold": "1.5"}, "less than or equal to 1"),
        ({"splits": []}, "Choose at least one split."),
        ({"splits": ["elsewhere"]}, "Select a valid choice"),
        ({"filter_mode": "brutal"}, "Select a valid choice"),
        ({"tokenizer": str(uuid.uuid4())}, "Select a valid choice"),
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


def test_an_earlier_one_can_be_changed(as_owner, dataset, tokenizer):
    compose(as_owner, dataset, tokenizer, max_length="77", filter_mode="strict")
    earlier = Tokenization.objects.get(dataset=dataset)

    html = as_owner.get(reverse("tokenizations:new", args=[dataset.pk]), {"like": str(earlier.pk)}).content.decode()

    assert 'name="max_length" value="77"' in html
    assert 'value="strict" checked' in html


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

    for said in ("5,610,446", "154.9", "126", "32 to 511", "50.0% of 300", "22.0 MB", "fastokens", "same ids"):
        assert said in html
    assert "load_from_disk" in html
    assert str(job.path) in html


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


def test_the_queries_of_the_list_do_not_grow_with_the_tokenizers(as_owner, django_assert_max_num_queries):
    factories.tokenizer("one")
    with django_assert_max_num_queries(18) as few:
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
