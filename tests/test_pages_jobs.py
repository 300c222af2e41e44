import uuid

import pytest
from django.urls import reverse

from datasets_app.jobs import Status
from tests import factories

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


def test_a_cancel_that_comes_too_late_says_by_how_much(as_owner, job):
    job.start()
    job.complete("Done.")

    answer = do(as_owner, "cancel", job, f"dataset-{job.dataset_id}")

    assert answer.status_code == 409
    assert "It finished 0 s before your cancel. The result is kept" in answer.content.decode()
    assert status_of(job) == Status.READY


def test_a_second_cancel_says_who_was_faster(as_owner, colleague, job):
    job.cancel(colleague)

    answer = do(as_owner, "cancel", job, f"job-{job.pk}")

    assert answer.status_code == 409
    assert "carl cancelled it 0 s before your cancel." in answer.content.decode()


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
        "Tokens/s",
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
    assert "threshold 0.50" in html
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


def test_without_a_filter_kept_and_filtered_are_left_out(as_owner, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    job.start()

    html = as_owner.get(reverse("datasets:job", args=[job.pk]), headers=HTMX).content.decode()

    assert "<dt>Kept</dt>" not in html
    assert "<dt>Processed</dt>" in html


def test_a_failure_says_what_to_do(as_owner, job):
    job.start()
    job.fail("Shard 2 of 4 stopped three times.", "Allow a worker more memory.")

    html = as_owner.get(reverse("datasets:card", args=[job.dataset_id]), headers=HTMX).content.decode()

    assert 'data-status="failed"' in html
    assert "Shard 2 of 4 stopped three times." in html
    assert "Allow a worker more memory." in html
    assert "Retry" in html
