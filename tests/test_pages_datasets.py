import re
import uuid
from html import unescape

import pytest
from django.urls import reverse

from datasets_app.jobs import Status
from datasets_app.models import Dataset, Import
from tests import factories

HTMX = {"HX-Request": "true"}


def page(client, name, *args, **options):
    return client.get(reverse(name, args=args), **options)


def test_an_empty_list_offers_the_sample_and_two_ways_in(as_owner):
    html = page(as_owner, "datasets:list").content.decode()

    assert "Add the sample dataset" in html
    assert "Your own files" in html
    assert "import_dataset" in html


def test_the_list_shows_every_card_with_its_feed(as_colleague, owner):
    dataset = factories.queued_dataset("letters", created_by=owner)

    html = page(as_colleague, "datasets:list").content.decode()

    assert f'id="dataset-{dataset.pk}"' in html
    assert 'ws-connect="/ws/live/?list=page%3D1&amp;seen=' in html
    assert "Olga Owner" in html


def test_the_list_as_a_fragment_is_the_found_cards_alone(as_owner, owner):
    factories.queued_dataset("letters", created_by=owner)

    answer = page(as_owner, "datasets:list", headers=HTMX)

    assert answer.content.decode().startswith('<div class="found" id="found" ')
    assert "<html" not in answer.content.decode()
    assert "HX-Request" in answer["Vary"]


@pytest.mark.parametrize("headers", [{"HX-Boosted": "true"}, {"HX-History-Restore-Request": "true"}])
def test_boosted_links_and_the_history_get_the_page(as_owner, owner, headers):
    factories.queued_dataset("letters", created_by=owner)

    assert "<html" in page(as_owner, "datasets:list", headers=HTMX | headers).content.decode()


def names_found(client, **query):
    html = client.get(reverse("datasets:list"), query, headers=HTMX).content.decode()
    return {name for name in ("letters", "numbers", "signs") if f">{name}</a></h2>" in html}


def test_the_toolbar_finds_by_name_status_source_owner_and_result(as_owner, owner, colleague):
    factories.queued_dataset("letters", created_by=owner)
    numbers = factories.ready_dataset("numbers", created_by=colleague)
    signs = factories.ready_dataset("signs", created_by=owner)
    job = factories.tokenization(numbers)
    type(job).objects.filter(pk=job.pk).update(status=Status.READY)
    failed = factories.tokenization(signs)
    type(failed).objects.filter(pk=failed.pk).update(status=Status.FAILED)

    assert names_found(as_owner) == {"letters", "numbers", "signs"}
    assert names_found(as_owner, q="LETT") == {"letters"}
    assert names_found(as_owner, status="queued") == {"letters"}
    assert names_found(as_owner, status="failed") == {"signs"}
    assert names_found(as_owner, status="ready") == {"numbers"}
    assert names_found(as_owner, owner="me") == {"letters", "signs"}
    assert names_found(as_owner, source="sample") == set()
    assert names_found(as_owner, tokenized="yes") == {"numbers"}
    assert names_found(as_owner, tokenized="no") == {"letters", "signs"}
    assert names_found(as_owner, status="nonsense") == {"letters", "numbers", "signs"}


@pytest.mark.parametrize(("sort", "first"), [("", "b"), ("name", "a"), ("-rows", "a"), ("-created_at", "b")])
def test_the_toolbar_sorts(as_owner, owner, sort, first):
    factories.ready_dataset("a", rows=20, created_by=owner)
    factories.queued_dataset("b", created_by=owner)

    html = as_owner.get(reverse("datasets:list"), {"sort": sort}).content.decode()

    other = {"a": "b", "b": "a"}[first]
    assert html.index(f">{first}</a></h2>") < html.index(f">{other}</a></h2>")


def test_the_pager_keeps_the_filter(as_owner, owner):
    for number in range(13):
        factories.queued_dataset(f"letters {number}", created_by=owner)

    first = as_owner.get(reverse("datasets:list"), {"q": "letters"}).content.decode()
    second = as_owner.get(reverse("datasets:list"), {"q": "letters", "page": "2"}).content.decode()

    assert "1 to 12 of 13" in first
    assert "?q=letters&amp;page=2" in first
    assert second.count('class="card"') == 1


def test_the_queries_of_the_list_do_not_grow_with_the_cards(as_owner, owner, django_assert_max_num_queries):
    for number in range(3):
        factories.tokenization(factories.ready_dataset(f"letters {number}", created_by=owner))
    with django_assert_max_num_queries(28) as few:
        page(as_owner, "datasets:list")
    for number in range(3, 9):
        factories.tokenization(factories.ready_dataset(f"letters {number}", created_by=owner))

    with django_assert_max_num_queries(len(few)):
        page(as_owner, "datasets:list")


def test_a_dataset_shows_its_splits_columns_jobs_and_events(as_colleague, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    job = factories.tokenization(dataset)

    html = page(as_colleague, "datasets:detail", dataset.pk).content.decode()

    assert "the text column" in html
    assert f"dataset={dataset.pk}" in html
    assert f'id="job-{job.pk}"' in html
    assert "Import queued." in html
    assert "Delete" not in html


def test_a_dataset_whose_import_runs_shows_the_job_alone(as_owner, owner):
    dataset = factories.queued_dataset("letters", created_by=owner)

    html = page(as_owner, "datasets:detail", dataset.pk).content.decode()

    assert f'id="job-{dataset.import_job.pk}"' in html
    assert "Splits" not in html


def test_a_page_that_has_seen_all_is_told_so(as_owner, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    address = reverse("datasets:detail", args=[dataset.pk])

    first = as_owner.get(address, headers=HTMX)
    same = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})
    factories.tokenization(dataset)
    changed = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})

    assert same.status_code == 304
    assert 'id="detail"' in changed.content.decode()
    assert "<html" not in changed.content.decode()


def test_a_card_is_sent_once_per_version(as_owner, owner):
    dataset = factories.queued_dataset("letters", created_by=owner)
    address = reverse("datasets:card", args=[dataset.pk])

    first = as_owner.get(address, headers=HTMX)
    same = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})
    Import.objects.get(dataset=dataset).start()
    changed = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})

    assert first.content.decode().startswith(f'<article class="card" id="dataset-{dataset.pk}"')
    assert same.status_code == 304
    assert changed.status_code == 200
    assert 'data-status="running"' in changed.content.decode()


def test_a_card_by_itself_leads_to_the_page(as_owner, owner):
    dataset = factories.queued_dataset("letters", created_by=owner)

    assert page(as_owner, "datasets:card", dataset.pk).url == dataset.get_absolute_url()


def test_a_colleague_sees_no_buttons(as_owner, as_colleague, owner):
    dataset = factories.queued_dataset("letters", created_by=owner)

    mine = page(as_owner, "datasets:card", dataset.pk, headers=HTMX).content.decode()
    theirs = page(as_colleague, "datasets:card", dataset.pk, headers=HTMX).content.decode()

    assert "Cancel import" in mine
    assert "Cancel import" not in theirs


def test_progress_is_json_with_an_etag(as_owner, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    job = factories.tokenization(dataset)
    address = reverse("datasets:progress", args=[dataset.pk])

    answer = as_owner.get(address)
    same = as_owner.get(address, headers={"If-None-Match": answer["ETag"]})

    assert {each["kind"] for each in answer.json()} == {"import", "tokenization"}
    assert str(job.pk) in {each["tokenization_id"] for each in answer.json()}
    assert same.status_code == 304


def test_deleting_asks_first_and_says_what_goes(as_owner, owner):
    dataset = factories.ready_dataset("letters", rows=300, created_by=owner)
    factories.tokenization(dataset)

    html = page(as_owner, "datasets:delete", dataset.pk).content.decode()

    assert "1,200 rows" in html
    assert "bytes" in html
    assert "Delete dataset" in html
    assert Dataset.objects.visible().filter(pk=dataset.pk).exists()


def test_deleting_takes_it_out_of_every_page(as_owner, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    job = factories.tokenization(dataset)

    answer = as_owner.post(reverse("datasets:delete", args=[dataset.pk]))

    assert answer.url == reverse("datasets:list")
    assert "letters is deleted." in as_owner.get(answer.url).content.decode()
    for name in ("datasets:detail", "datasets:card", "datasets:progress", "datasets:delete", "tokenizations:new"):
        assert page(as_owner, name, dataset.pk).status_code == 404
    assert page(as_owner, "tokenizations:detail", job.pk).status_code == 404
    assert page(as_owner, "datasets:job", job.pk).status_code == 404


def test_a_colleague_cannot_delete(as_colleague, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)

    assert page(as_colleague, "datasets:delete", dataset.pk).status_code == 403
    assert as_colleague.post(reverse("datasets:delete", args=[dataset.pk])).status_code == 403
    assert Dataset.objects.visible().filter(pk=dataset.pk).exists()


@pytest.mark.parametrize("name", ["datasets:detail", "datasets:card", "datasets:progress", "datasets:delete"])
def test_a_missing_dataset_is_not_found(as_owner, name):
    answer = page(as_owner, name, uuid.uuid4())

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.parametrize("name", ["datasets:detail", "datasets:card", "datasets:progress"])
def test_reading_takes_a_get(as_owner, owner, name):
    dataset = factories.queued_dataset("letters", created_by=owner)

    assert as_owner.post(reverse(name, args=[dataset.pk])).status_code == 405


def test_text_of_a_dataset_is_inert(as_owner, owner):
    dataset = factories.queued_dataset("<script>alert(1)</script>", created_by=owner)

    html = page(as_owner, "datasets:detail", dataset.pk).content.decode()

    assert "<script>alert" not in html


def test_an_open_list_hears_of_a_new_dataset(as_owner, owner):
    factories.queued_dataset("first", created_by=owner)
    page = as_owner.get("/").content.decode()
    again = unescape(re.search(r'id="found" data-seen="[^"]+" hx-get="([^"]+)"', page).group(1))

    assert as_owner.get(again, headers={"HX-Request": "true"}).status_code == 204
    factories.queued_dataset("second", created_by=owner)

    assert "second" in as_owner.get(again, headers={"HX-Request": "true"}).content.decode()


def test_the_empty_page_becomes_the_list_with_the_first_dataset(as_owner, owner):
    waiting = as_owner.get("/?seen=nothing", headers={"HX-Request": "true"})
    factories.queued_dataset("first", created_by=owner)
    arrived = as_owner.get("/?seen=nothing", headers={"HX-Request": "true"})

    assert "HX-Refresh" not in waiting.headers
    assert arrived.headers["HX-Refresh"] == "true"
