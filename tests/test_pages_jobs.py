import uuid
from datetime import timedelta

import pytest
from django.db.models import F
from django.urls import reverse

from datasets_app.jobs import Status
from datasets_app.models import Sample
from tests import factories
from tokenizations.models import Tokenizer

DEEDS = ["cancel", "pause", "resume", "retry"]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def job(owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    return factories.tokenization(dataset, filter_mode="standard")


def do(client, deed, job, target="", htmx=True):
    headers = HTMX | {"HX-Target": target} if htmx else {}
    return client.post(reverse(f"datasets:{deed}", args=[job.pk]), headers=headers)


def status_of(job):
    return type(job).objects.get(pk=job.pk).status


def test_cancel_on_a_card_answers_with_the_card(as_owner, owner, job):
    answer = do(as_owner, "cancel", job, f"dataset-{job.dataset_id}")

    assert status_of(job) == Status.CANCELLED
    assert answer.content.decode().startswith(f'<article class="card" id="dataset-{job.dataset_id}"')
    assert f'<span data-person="{owner.pk}">Olga Owner</span> cancelled it at 0.0%' in answer.content.decode()


def test_cancel_on_a_page_answers_with_the_panel(as_owner, job):
    answer = do(as_owner, "cancel", job, f"job-{job.pk}")

    assert answer.content.decode().startswith(f'<div class="job" role="group" id="job-{job.pk}"')
    assert "hx-get" in answer.content.decode()


def test_without_htmx_a_deed_leads_back_to_the_page(as_owner, job):
    assert do(as_owner, "cancel", job, htmx=False).url == job.get_absolute_url()


def test_pause_resume_cancel_and_retry_follow_each_other(as_owner, job):
    job.start()
    for deed, status in [
        ("pause", Status.PAUSED),
        ("resume", Status.QUEUED),
        ("cancel", Status.CANCELLED),
        ("retry", Status.QUEUED),
    ]:
        assert do(as_owner, deed, job).status_code == 200
        assert status_of(job) == status


@pytest.mark.parametrize("deed", DEEDS)
def test_a_colleague_may_not(as_colleague, job, deed):
    assert do(as_colleague, deed, job).status_code == 403
    assert status_of(job) == Status.QUEUED


def test_who_tokenizes_a_dataset_of_somebody_else_controls_that_job(as_colleague, colleague, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    type(job).objects.filter(pk=job.pk).update(created_by=colleague)

    assert do(as_colleague, "cancel", job).status_code == 200


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_takes_a_post_on_a_job_that_is_there(as_owner, as_stranger, job, deed):
    address = reverse(f"datasets:{deed}", args=[job.pk])

    assert as_owner.get(address).status_code == 405
    assert as_owner.post(reverse(f"datasets:{deed}", args=[uuid.uuid4()])).status_code == 404
    assert as_stranger.post(address).status_code == 302
    assert status_of(job) == Status.QUEUED


def test_the_panel_is_sent_once_per_version(as_owner, job):
    address = reverse("datasets:job", args=[job.pk])

    first = as_owner.get(address, headers=HTMX)
    same = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})
    job.start()
    changed = as_owner.get(address, headers=HTMX | {"If-None-Match": first["ETag"]})

    assert same.status_code == 304
    assert "being checked" in changed.content.decode()


def test_the_panel_by_itself_leads_to_the_page(as_owner, job):
    assert as_owner.get(reverse("datasets:job", args=[job.pk])).url == job.get_absolute_url()


def test_a_running_job_has_every_figure_from_its_first_second(as_owner, job):
    job.start()

    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    for label in (
        "Elapsed",
        "Remaining",
        "MB/s",
        "Tokens/s encoded",
        "Processed",
        "Kept",
        "Filtered",
        "Filter",
        "Encoder",
        "Shards",
    ):
        assert f"<dt>{label}</dt>" in html
    assert "--:--" in html
    assert "Empty 0" in html
    assert "Errored 0" in html
    assert "threshold 0.50" in html
    assert '<svg class="spark"' in html
    assert "Cancel tokenization" in html


def test_the_figures_hold_nothing_to_click(as_owner, job):
    job.start()
    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    progress = html.split('class="progress"')[1].split('class="controls"')[0]

    assert "<button" not in progress
    assert "<a " not in progress
    assert "<form" not in progress


def test_shares_of_a_running_job_add_up_to_a_hundred(as_owner, job):
    job.start()
    shard = job.shards.first()
    type(shard).objects.filter(pk=shard.pk).update(processed=7, kept=5, filtered=2, filtered_junk=1, filtered_empty=1)

    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert "71.4%" in html
    assert "28.6%" in html


def test_without_a_filter_kept_and_filtered_are_shown_with_the_reasons(as_owner, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    job.start()
    put_to_work(job, processed=4, kept=1, filtered=2, filtered_empty=2, errored=1)

    html = card_of(as_owner, job)

    assert "<dt>Kept</dt><dd>1 <small>25.0%<" in html
    assert "<dt>Filtered</dt><dd>2 <small>50.0%<" in html
    assert "<li>Empty 2</li><li>Junk 0</li><li>Errored 1</li>" in html
    assert "<dt>Filter</dt><dd>none <small>empty rows only<" in html
    assert 'data-size="full"' in html


def drawn(job):
    for second in (2, 4):
        Sample.objects.create(
            dataset=job.dataset, job_id=job.pk, second=second, bytes_per_second=4e6, tokens_per_second=1e6
        )


@pytest.mark.parametrize("end", ["pause", "cancel", "fail", "complete"])
def test_the_page_of_a_job_that_has_stopped_keeps_its_curve(as_owner, job, end):
    job.start()
    drawn(job)
    job.shards.update(state="done")
    {
        "pause": lambda: job.pause(None),
        "cancel": lambda: job.cancel(None),
        "fail": lambda: job.fail("It broke.", "Mend it."),
        "complete": lambda: job.complete("Done."),
    }[end]()

    html = as_owner.get(job.get_absolute_url()).content.decode()
    panel = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert html.count("<polyline") == panel.count("<polyline") == 1
    assert 'aria-label="Tokens encoded per second over the run: 1.00 million"' in html


def test_a_failure_says_what_to_do(as_owner, job):
    job.start()
    job.fail("Shard 2 of 4 stopped three times.", "Allow a worker more memory.")

    html = as_owner.get(reverse("datasets:card", args=[job.dataset_id]), headers=HTMX).content.decode()

    assert 'data-status="failed"' in html
    assert "Shard 2 of 4 stopped three times." in html
    assert "Allow a worker more memory." in html
    assert "Retry" in html


def card_of(client, job):
    return client.get(reverse("datasets:card", args=[job.dataset_id]), headers=HTMX).content.decode()


def put_to_work(job, index=0, **figures):
    fields = {"state": "running", "lease_token": uuid.uuid4(), "bytes_per_second": 5.0, "tokens_per_second": 1.0}
    job.shards.filter(index=index).update(**fields | figures)


def test_the_slowest_shard_is_named_with_how_far_it_is(as_owner, job):
    job.start()
    put_to_work(job, index=2, bytes_done=F("bytes_total") * 38 / 100)

    html = card_of(as_owner, job)

    assert "slowest: train 3</small> <small>38%<" in html


def test_an_import_names_its_slowest_file(as_owner, owner):
    job = factories.queued_dataset("letters", files=2, created_by=owner).import_job
    job.start()
    put_to_work(job, index=1)

    html = card_of(as_owner, job)

    assert 'title="1.csv">1.csv' in html
    assert "<dt>MB/s</dt>" in html
    assert "<dt>Files</dt><dd>0 of 2</dd>" in html


@pytest.mark.parametrize(
    ("encoder", "kind", "words"),
    [
        ("", "BPE", "being checked"),
        ("fastokens", "BPE", "same ids, checked"),
        ("tokenizers", "WordPiece", "WordPiece"),
        ("tokenizers", "BPE", "fastokens does not fit"),
    ],
)
def test_the_encoder_is_shown_with_its_reason_in_few_words(as_owner, job, encoder, kind, words):
    job.start()
    type(job).objects.filter(pk=job.pk).update(encoder=encoder, encoder_reason="The whole reason.")
    Tokenizer.objects.filter(pk=job.tokenizer_id).update(kind=kind)

    html = card_of(as_owner, job)

    assert f'<dt>Encoder</dt><dd title="The whole reason.">{encoder or "–"} <small>{words}</small></dd>' in html


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_what_went_wrong_can_be_retried_with_changes_or_deleted(as_owner, job, end):
    job.start()
    job.cancel(None) if end == "cancel" else job.fail("It broke.", "Mend it.")

    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert reverse("datasets:retry", args=[job.pk]) in html
    assert f'{reverse("tokenizations:new", args=[job.dataset_id])}?like={job.pk}">Retry with changes</a>' in html
    assert f'href="{reverse("tokenizations:delete", args=[job.pk])}"' in html


def test_a_failed_job_says_why_wherever_its_status_stands(as_owner, owner):
    dataset = factories.ready_dataset("letters", created_by=owner)
    jobs = [factories.tokenization(dataset, max_length=100 + number) for number in range(3)]
    for job in jobs:
        job.fail("The disk is full.", "Make room.")

    card = as_owner.get(reverse("datasets:list")).content.decode()
    page = as_owner.get(jobs[0].get_absolute_url()).content.decode()

    assert 'data-status="failed" title="The disk is full. Make room."' in card
    assert "100 · failed. The disk is full. Make room." in card  # the third has no panel
    assert "<p>The disk is full.</p>" in page


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_page_offers_every_way_on_once(as_owner, as_colleague, owner, job, end):
    importing = factories.queued_dataset("others", created_by=owner).import_job
    for each in (job, importing):
        each.start()
        each.cancel(None) if end == "cancel" else each.fail("It broke.", "Mend it.")

    page = as_owner.get(job.get_absolute_url()).content.decode()
    of_import = as_owner.get(importing.get_absolute_url()).content.decode()
    seen = as_colleague.get(job.get_absolute_url()).content.decode()

    assert page.count(reverse("tokenizations:delete", args=[job.pk])) == 1
    assert (page.count("Retry with changes"), page.count("Again with changes")) == (1, 0)
    assert of_import.count(reverse("datasets:delete", args=[importing.dataset_id])) == 1
    assert "Again with changes" in seen  # who may not retry it


def test_a_failed_import_goes_with_its_dataset(as_owner, owner):
    job = factories.queued_dataset("letters", created_by=owner).import_job
    job.start()
    job.fail("a.csv has no rows.", "Choose another file.")

    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert f'href="{reverse("datasets:delete", args=[job.dataset_id])}"' in html
    assert "Retry with changes" not in html  # its files are the server's own, and nothing was chosen for them here


def test_who_may_not_control_a_job_is_offered_neither(as_colleague, job):
    job.fail("It broke.", "Mend it.")

    html = as_colleague.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert "It broke." in html
    assert "Retry" not in html
    assert "Delete" not in html


def test_what_has_just_finished_says_what_came_out_and_how_to_load_it(as_colleague, job):
    job.start()
    job.shards.update(state="done", processed=10, kept=9, filtered=1, filtered_junk=1, tokens=1000, bytes_done=1000)
    job.shards.update(tokens_processed=1500)
    type(job).objects.filter(pk=job.pk).update(active_time=timedelta(seconds=4), running_since=None)
    job.complete("Done.")

    html = card_of(as_colleague, job)

    for said in ("36 <small>90.0%", "<dd>4,000</dd>", "0:04 <small>1,500 tokens/s encoded"):
        assert said in html
    assert f'href="{job.get_absolute_url()}">Statistics</a>' in html
    assert f'load_from_disk("{job.path}")' in html
    assert f'data-copies="snippet-{job.pk}"' in html


def test_list_card_and_panel_offer_the_same(as_owner, job):
    job.fail("It broke.", "Mend it.")
    address = f'href="{reverse("tokenizations:delete", args=[job.pk])}"'

    pages = [reverse("datasets:list"), reverse("datasets:card", args=[job.dataset_id]), job.get_absolute_url()]

    for page in pages:
        assert address in as_owner.get(page, headers=HTMX).content.decode()
