"""What a card reads, in how many queries, and in which order."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets_app import cards, leases
from datasets_app.forms import DatasetFilter
from datasets_app.jobs import ENDED
from datasets_app.models import Dataset, Sample
from datasets_app.shards import Shard
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db


def claim():
    return leases.claim(Tokenization, "here:1:1")


def running(name, groups):
    job = factories.tokenization(factories.ready_dataset(name, groups=groups))
    job.start()
    free = job.shards.filter(index=0)
    free.update(state=Shard.State.RUNNING, lease_token=job.pk, bytes_per_second=5.0, tokens_per_second=1.0)
    Sample.objects.create(dataset=job.dataset, job_id=job.pk, second=2, bytes_per_second=5, tokens_per_second=1)
    return job.dataset


def queries(datasets):
    with CaptureQueriesContext(connection) as captured:
        cards.load(datasets)
    return len(captured)


def test_the_queries_depend_neither_on_the_cards_nor_on_the_shards():
    one = [running("one", groups=1)]
    many = [running(f"many {number}", groups=6) for number in range(5)]

    assert queries(one) == queries(many) <= 8


@pytest.mark.parametrize("end", ["pause", "cancel"])
def test_the_queries_depend_on_no_number_of_jobs_that_have_stopped(end):
    def stopped(name):
        dataset = running(name, groups=1)
        getattr(Tokenization.objects.get(dataset=dataset), end)(None)
        return dataset

    one = [stopped("one")]
    many = [stopped(f"many {number}") for number in range(5)]

    assert queries(one) == queries(many) <= 8


def test_sums_are_of_the_shards_of_each_job():
    first, second = factories.tokenization(), factories.tokenization(factories.ready_dataset("other"))
    first.shards.filter(index__in=(0, 1)).update(processed=7, kept=5, filtered=2, filtered_junk=2, version=3)
    second.shards.filter(index=0).update(state=Shard.State.DONE, processed=1, kept=1, bytes_done=9)

    sums = {job.pk: job for job in Tokenization.objects.with_counts()}

    assert (sums[first.pk].total_processed, sums[first.pk].total_filtered_junk) == (14, 4)
    assert (sums[first.pk].total_version, sums[first.pk].shards_waiting) == (6, 4)
    assert (sums[second.pk].total_processed, sums[second.pk].total_bytes_done) == (1, 9)
    assert (sums[second.pk].shards_done, sums[second.pk].shards_waiting) == (1, 3)
    assert sums[second.pk].total_bytes_per_second is None


def test_rates_are_of_what_runs():
    job = factories.tokenization()
    job.shards.filter(index=0).update(state=Shard.State.RUNNING, lease_token=job.pk, bytes_per_second=5.0)
    job.shards.filter(index=1).update(bytes_per_second=100.0)

    assert Tokenization.objects.with_counts().get().total_bytes_per_second == 5.0


def test_a_job_without_shards_has_nothing_to_sum():
    factories.tokenization(factories.ready_dataset(groups=0))

    job = Tokenization.objects.with_counts().get()

    assert (job.total_processed, job.total_version, job.shards_done) == (0, 0, 0)


def test_a_shard_that_starts_again_in_the_middle_of_reading_lowers_no_percent():
    job = factories.tokenization()
    taken = claim()
    taken.report(**factories.counts(processed=5, size=30 << 20))
    before = cards.load_job(job)
    is_released = []

    def release_after_the_sums(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if not is_released and "GROUP BY" in sql:
            is_released.append(True)
            taken.release("its worker was stopped")
        return answer

    with connection.execute_wrapper(release_after_the_sums):
        torn = cards.load_job(job)
    after = cards.load_job(job)

    assert is_released
    assert torn.percent == after.percent == before.percent > 0
    assert before.version <= torn.version < after.version


def test_the_slowest_shard_is_the_one_with_the_most_time_left():
    job = factories.tokenization()
    job.start()
    at_work = {"state": Shard.State.RUNNING, "lease_token": job.pk, "version": F("version") + 1}
    job.shards.filter(index=0).update(**at_work, bytes_done=0, bytes_per_second=1000.0)
    job.shards.filter(index=1).update(**at_work, bytes_done=20 << 20, bytes_per_second=100.0)
    job.shards.filter(index=2).update(**at_work, bytes_done=30 << 20)

    assert cards.load_job(job).slowest.title == "train 2"


def test_without_rates_the_slowest_has_the_most_bytes_left():
    job = factories.tokenization()
    job.start()
    job.shards.filter(index__lt=2).update(state=Shard.State.RUNNING, lease_token=job.pk, bytes_done=F("index") * 1000)

    assert cards.load_job(job).slowest.title == "train 1"


def test_what_does_not_run_has_no_slowest_shard():
    assert cards.load_job(factories.tokenization()).slowest is None


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["ready", "cancelled"], "ready"),
        (["ready", "failed"], "failed"),
        (["failed", "ready"], "ready"),
        (["failed", "cancelled"], "failed"),
        (["cancelled"], "ready"),  # the import's
        (["failed", "queued"], "queued"),
        (["queued", "running", "paused"], "running"),
        (["queued", "paused"], "paused"),
    ],
)
def test_a_card_has_the_status_of_what_is_unfinished_or_came_last(statuses, status):
    dataset, start = factories.ready_dataset(), timezone.now()
    for minute, each in enumerate(statuses):
        job = factories.tokenization(dataset, max_length=100 + minute)
        moment = start + timedelta(minutes=minute)
        type(job).objects.filter(pk=job.pk).update(status=each, ended_at=moment if each in ENDED else None)

    assert cards.load([dataset])[0].status == status
    assert DatasetFilter({"status": "ready"}).apply(Dataset.objects.all(), None).exists() == (status == "ready")


def test_the_jobs_of_a_card_stand_in_the_order_in_which_they_start():
    dataset = factories.ready_dataset()
    jobs = [factories.tokenization(dataset, max_length=100 + number) for number in range(3)]
    jobs[2].start()

    card = cards.load([dataset])[0]

    assert [progress.job for progress in card.panels] == [jobs[2], jobs[0], jobs[1]]
    assert card.page_panels == card.panels


def test_a_list_of_shards_is_never_read_with_its_files():
    running("one", groups=3)

    with CaptureQueriesContext(connection) as captured:
        TokenizationShard.objects.slowest(Tokenization.objects.values_list("pk", flat=True))

    assert '"files"' not in captured.captured_queries[-1]["sql"]
