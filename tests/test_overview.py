"""What depends on all jobs at once: the header, the queue, the news of what has ended."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from datasets_app import overview
from datasets_app.jobs import from_now
from datasets_app.models import Worker
from tests import factories
from tokenizations.models import Tokenization

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


def a_worker(slots=2):
    Worker.objects.create(id="somewhere", queue="tokenize", slots=slots, seen_at=Now())


def asked_long_ago(*jobs):
    Tokenization.objects.filter(pk__in=[job.pk for job in jobs]).update(created_at=from_now(timedelta(minutes=-1)))


def test_queued_jobs_have_their_places_in_the_order_of_asking():
    dataset = factories.ready_dataset()
    first, second, third = (factories.tokenization(dataset, max_length=length) for length in (7, 8, 9))

    before = overview.read().places
    first.start()
    after = overview.read().places

    assert [before[job.pk].number for job in (first, second, third)] == [1, 2, 3]
    assert [after[job.pk].number for job in (first, second, third)] == [None, 1, 2]


def test_without_a_worker_a_job_says_so_and_what_to_do(as_owner, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    asked_long_ago(job)

    page = as_owner.get("/").content.decode()
    note = overview.read().notes({job.dataset_id})

    assert "No worker is running" in page
    assert "1 job is waiting" in page
    assert 'data-status="stalled"' in note
    assert "python manage.py worker --queue tokenize" in note


def test_with_a_worker_nobody_is_told_to_start_one():
    job = factories.tokenization()
    asked_long_ago(job)
    a_worker()

    now = overview.read()

    assert now.stalled == 0
    assert "1st in the queue." in now.notes({job.dataset_id})
    assert "manage.py" not in now.notes({job.dataset_id})


def test_a_job_that_was_just_asked_for_gives_a_worker_time_to_say_that_it_is_there():
    factories.tokenization()

    assert overview.read().stalled == 0


def test_a_running_job_that_lost_all_workers_says_so():
    job = factories.tokenization()
    job.start()
    asked_long_ago(job)

    alone = overview.read().notes({job.dataset_id})
    a_worker()
    with_company = overview.read().notes({job.dataset_id})

    assert "no worker is running" in alone
    assert f'id="job-{job.pk}-running"' in alone
    assert "hidden" in with_company


def test_a_job_that_a_process_does_by_itself_waits_for_nobody():
    job = factories.tokenization()
    job.hold()

    assert overview.read().places == {}


def test_the_header_counts_what_runs_and_links_to_it(as_owner, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    other = factories.tokenization(job.dataset, max_length=9)
    job.start()

    for address in (reverse("tokenizations:tokenizers"), reverse("datasets:add"), job.get_absolute_url()):
        page = as_owner.get(address).content.decode()

        assert f'id="running-{job.pk}" href="{job.get_absolute_url()}"' in page
        assert "<b>1</b>" in page
        assert f'id="running-{other.pk}"' not in page
        assert "1 waiting." in page


def test_the_header_shows_nothing_when_nothing_runs(as_owner, owner):
    factories.tokenization(factories.ready_dataset(created_by=owner))

    page = as_owner.get("/").content.decode()

    assert 'id="running"' in page
    assert 'id="running-jobs"' not in page


def test_the_bar_of_the_header_is_by_bytes_over_all_jobs():
    first, second = (factories.tokenization(factories.ready_dataset(name, groups=2)) for name in ("a", "b"))
    for job in (first, second):
        job.start()
    first.shards.filter(index=0).update(bytes_done=40 << 20)

    assert overview.read().percent == pytest.approx(25)


def test_a_page_whose_socket_is_down_gets_the_same_by_asking(as_owner, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    job.start()

    answer = as_owner.get(reverse("datasets:overview"), headers=HTMX).content.decode()

    for element in ("running", "workers", "totals", "news", f"job-{job.pk}-running"):
        assert f'id="{element}"' in answer


def test_an_overview_is_sent_again_only_when_its_words_are_others(as_owner, as_colleague, owner):
    job = factories.tokenization(factories.ready_dataset(created_by=owner))
    Tokenization.objects.update(created_by=owner)
    changes = [
        job.start,
        lambda: job.shards.filter(index=0).update(version=F("version") + 1, bytes_done=7),
        lambda: factories.ready_dataset("another"),
        lambda: factories.tokenization(job.dataset, max_length=9),
        lambda: job.fail("The disk is full."),
        a_worker,
    ]
    address = reverse("datasets:overview")

    for change in changes:
        before = as_owner.get(address, headers=HTMX)
        same = as_owner.get(address, headers=HTMX | {"If-None-Match": before["ETag"]})
        change()
        after = as_owner.get(address, headers=HTMX | {"If-None-Match": before["ETag"]})

        assert (same.status_code, after.status_code) == (304, 200)
        assert int(before["Read-At"]) <= int(same["Read-At"]) <= int(after["Read-At"])
    assert as_colleague.get(address, headers=HTMX)["ETag"] != as_owner.get(address, headers=HTMX)["ETag"]


def test_a_newer_overview_has_a_higher_version_and_the_same_digest_for_the_same_words():
    first, second = overview.read(), overview.read()

    assert second.version >= first.version
    assert second.frame_digest == first.frame_digest
    assert second.figures_digest == first.figures_digest


def test_news_are_of_ones_own_jobs_that_ended_by_other_hands(owner, colleague):
    dataset = factories.ready_dataset(created_by=owner)
    jobs = [factories.tokenization(dataset, max_length=length) for length in (7, 8, 9)]
    Tokenization.objects.update(created_by=owner)
    jobs[0].cancel(owner)
    jobs[1].cancel(colleague)
    jobs[2].fail("The disk is full.")

    now = overview.read()

    assert {job.pk for job in now.news_for(owner.pk)} == {jobs[1].pk, jobs[2].pk}
    assert now.news_for(colleague.pk) == []
    assert "was cancelled." in now.news(owner.pk)
    assert "has failed." in now.news(owner.pk)
