"""What an earlier version made, or lost, is shown as N/A and never an error."""

import re

import pytest
from django.urls import reverse

from datasets_app import cards, fragments, history
from datasets_app.access import Viewer
from datasets_app.jobs import Status
from datasets_app.models import Event, Import, ImportShard, Sample
from tests import factories
from tests.admin_pages import address
from tokenizations.models import Tokenization, TokenizationShard

HTMX = {"HX-Request": "true"}
FULL = {
    "text_column": "text", "splits": ["train"], "max_length": 512, "special_tokens": True, "attention_mask": True,
    "filter_mode": "standard", "filter_threshold": 0.5,
}  # fmt: skip
LACKING = {
    "no options": {"spec": {}},
    **{f"no {name}": {"spec": {key: value for key, value in FULL.items() if key != name}} for name in FULL},
    "no statistics": {"statistics": None},
    "some statistics": {"statistics": {"rows": 3}},
    "no encoder": {"encoder": "", "encoder_reason": ""},
    "no total": {"rows_total": None},
    "no moments": {"started_at": None, "ended_at": None, "stage_since": None, "running_since": None},
    "no size": {"bytes_total": 0, "bytes_mark": 0, "output_bytes": None},
    "nobody": {"created_by": None, "ended_by": None},
}
STATUSES = [status.value for status in Status]


@pytest.fixture
def job(owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    made = factories.tokenization(dataset, filter_mode="standard")
    Event.objects.all().delete()
    return made


def addresses(job):
    yield reverse("datasets:list")
    yield reverse("datasets:detail", args=[job.dataset_id])
    yield reverse("datasets:card", args=[job.dataset_id])
    yield reverse("datasets:events", args=[job.dataset_id])
    yield reverse("datasets:progress", args=[job.dataset_id])
    yield reverse("datasets:job", args=[job.pk])
    if job.kind == "tokenization":
        yield job.get_absolute_url()
        yield reverse("tokenizations:events", args=[job.pk])
        yield reverse("tokenizations:delete", args=[job.pk])
        yield reverse("tokenizations:new", args=[job.dataset_id]) + f"?like={job.pk}"


def open_all(client, job):
    """As the pages poll them, and what has no fragment as a page."""
    for each in addresses(job):
        answer = client.get(each, headers=HTMX)
        assert answer.status_code == 200, each
        yield answer.content.decode()


@pytest.mark.parametrize("status", [Status.RUNNING, Status.READY])
@pytest.mark.parametrize("lacking", list(LACKING))
def test_every_page_opens_whatever_is_lacking(as_owner, job, lacking, status):
    Tokenization.objects.filter(pk=job.pk).update(status=status, **LACKING[lacking])

    for html in open_all(as_owner, job):
        said = re.findall(r">[^<]*\bNone\b", html.replace("<b>None</b>", ""))  # the filter of that name
        assert said == []


@pytest.mark.parametrize("status", STATUSES)
def test_every_page_opens_without_shards_and_samples(as_owner, job, status):
    TokenizationShard.objects.all().delete()
    Tokenization.objects.filter(pk=job.pk).update(status=status, spec={}, rows_total=None, encoder="")

    assert not Sample.objects.exists()
    assert list(open_all(as_owner, job))


@pytest.mark.parametrize("status", STATUSES)
def test_every_page_opens_of_an_import_without_anything(as_owner, owner, status):
    job = factories.queued_dataset("letters", created_by=owner).import_job
    ImportShard.objects.all().delete()
    Import.objects.filter(pk=job.pk).update(status=status, bytes_total=0, options={}, rows_total=None)

    assert list(open_all(as_owner, job))


@pytest.mark.parametrize("lacking", list(LACKING))
def test_the_administration_opens_whatever_is_lacking(admin_client, job, lacking):
    Tokenization.objects.filter(pk=job.pk).update(status=Status.READY, **LACKING[lacking])

    assert admin_client.get(address(Tokenization, "changelist")).status_code == 200
    assert admin_client.get(address(Tokenization, "change", job.pk)).status_code == 200


def test_what_nobody_knows_any_more_is_not_available(as_owner, job):
    TokenizationShard.objects.all().delete()
    Tokenization.objects.filter(pk=job.pk).update(
        status=Status.READY, spec={}, statistics=None, encoder="", rows_total=None
    )

    page = as_owner.get(job.get_absolute_url()).content.decode()
    card = as_owner.get(reverse("datasets:detail", args=[job.dataset_id])).content.decode()

    for label in ("Text column", "Splits", "Length", "Special tokens", "attention_mask", "Filter"):
        assert f"<dt>{label}</dt><dd>N/A</dd>" in page
    for label in ("Tokens", "Rows", "Mean length", "Median length", "Shortest to longest", "Unique tokens"):
        assert f"<dt>{label}</dt><dd>N/A</dd>" in page
    assert 'data-label="rows">N/A<' in card
    assert 'data-label="tokens">N/A<' in card


def test_figures_that_were_written_down_stand_in_for_lost_shards(as_owner, job):
    TokenizationShard.objects.all().delete()
    statistics = {"rows": 1234, "tokens_written": 56_789}
    Tokenization.objects.filter(pk=job.pk).update(status=Status.READY, statistics=statistics)

    card = as_owner.get(reverse("datasets:detail", args=[job.dataset_id])).content.decode()

    assert 'data-label="rows">1,234<' in card
    assert 'data-label="tokens">56,789<' in card


def test_a_history_without_events_says_so(as_owner, job):
    html = as_owner.get(job.get_absolute_url()).content.decode()

    assert f'id="events-{job.pk}" data-version="0"' in html
    assert "Nothing yet." in html
    assert history.load(job).is_whole


@pytest.mark.parametrize("lacking", list(LACKING))
def test_its_figures_are_json_all_the_same(job, lacking):
    Tokenization.objects.filter(pk=job.pk).update(status=Status.RUNNING, **LACKING[lacking])

    figures = cards.load_job(job).as_dict()

    assert figures["status"] == Status.RUNNING
    assert figures["samples_processed"] == 0


@pytest.mark.parametrize("lacking", list(LACKING))
def test_its_elements_are_sent_to_open_tabs(job, lacking):
    Tokenization.objects.filter(pk=job.pk).update(status=Status.RUNNING, **LACKING[lacking])
    viewer = Viewer(pk=1, is_staff=True)
    wanted = {f"dataset-{job.dataset_id}", f"job-{job.pk}", f"head-{job.pk}", f"events-{job.pk}"}

    read = fragments.read({job.dataset_id: wanted}, {job.dataset_id: {viewer}}, {}, None)

    assert read[job.dataset_id].keys() == wanted
    assert all(fragment.html[viewer] for fragment in read[job.dataset_id].values())
