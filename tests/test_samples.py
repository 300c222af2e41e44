"""What the slots write down of the speed of a job, and what becomes of it."""

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from datasets_app import cards, fragments, keeper, leases, samples
from datasets_app.access import Viewer
from datasets_app.jobs import from_now
from datasets_app.models import Dataset, Sample
from datasets_app.rates import RateMeter
from datasets_app.samples import MOST_SAMPLES, Sampler, interval_at
from datasets_app.slots import REPORT_SECONDS, Report
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def claim(db):
    factories.tokenization()
    return leases.claim(Tokenization, "here:1:1")


def measured(claim, rate=1000.0):
    assert claim.report(**factories.counts(processed=1, size=10), bytes_per_second=rate, tokens_per_second=rate / 4)


def running_for(job, seconds):
    """As if it had been started so long ago."""
    Tokenization.objects.filter(pk=job.pk).update(running_since=from_now(timedelta(seconds=-seconds)))


def seconds_of(job):
    return [speed.seconds for speed in samples.by_job([job.pk]).get(job.pk, [])]


@given(st.floats(0, 10**7))
def test_the_interval_fits_a_run_of_any_length(second):
    interval = interval_at(second)

    assert second // interval < MOST_SAMPLES
    assert interval == 2 or second // (interval // 2) >= MOST_SAMPLES


@given(st.lists(st.integers(1, 40), max_size=400))
def test_thinning_out_never_leaves_more_than_there_is_room_for(steps):
    """The same arithmetic as in the database, over runs with any gaps."""
    second, kept = 0, set()
    for step in steps:
        second += step
        interval = interval_at(second)
        kept.add(second // interval * interval)
        kept = {moment for moment in kept if moment % interval == 0}

        assert len(kept) <= MOST_SAMPLES


def test_a_sample_is_what_the_card_shows(claim):
    measured(claim)
    running_for(claim.job, 7)

    Sampler(claim.job).sample_if_due()

    sample = Sample.objects.get()
    shown = cards.load_job(claim.job)
    assert (sample.dataset_id, sample.job_id, sample.second) == (claim.job.dataset_id, claim.job.pk, 6)
    assert sample.bytes_per_second == shown.bytes_per_second
    assert sample.tokens_per_second == shown.tokens_per_second


def test_nothing_is_sampled_before_anything_is_measured(claim):
    Sampler(claim.job).sample_if_due()

    assert not Sample.objects.exists()


@pytest.mark.parametrize("end", ["pause", "cancel"])
def test_a_job_that_was_stopped_is_not_sampled(claim, end):
    measured(claim)
    getattr(claim.job, end)(None)

    Sampler(claim.job).sample_if_due()

    assert not Sample.objects.exists()


def test_two_slots_write_one_sample_a_moment(claim):
    measured(claim)
    running_for(claim.job, 7)

    for sampler in (Sampler(claim.job), Sampler(claim.job)):
        sampler.sample_if_due()

    assert seconds_of(claim.job) == [6]


def test_a_long_run_keeps_a_bounded_number_and_the_first_of_them(claim):
    measured(claim)
    clock = Clock()
    sampler = Sampler(claim.job, clock)
    most = 0

    for second in [*range(0, 800, 2), *range(800, 5000, 60)]:
        running_for(claim.job, second + 0.5)
        clock.now = 1000 + second
        sampler.sample_if_due()
        most = max(most, Sample.objects.count())

    assert most <= MOST_SAMPLES
    assert seconds_of(claim.job)[0] == 0
    assert all(second % interval_at(5000 - 60) == 0 for second in seconds_of(claim.job))


def test_pauses_are_not_part_of_the_run(claim):
    Tokenization.objects.filter(pk=claim.job.pk).update(active_time=timedelta(seconds=100))
    measured(claim)
    running_for(claim.job, 3)

    Sampler(claim.job).sample_if_due()

    assert seconds_of(claim.job) == [102]


def test_a_sampler_asks_the_database_only_when_a_sample_is_due(claim, django_assert_num_queries):
    measured(claim)
    running_for(claim.job, 4.5)
    clock = Clock()
    sampler = Sampler(claim.job, clock)
    sampler.sample_if_due()

    with django_assert_num_queries(0):
        clock.now += 1
        sampler.sample_if_due()


def test_a_sample_that_fails_fails_no_job(claim, monkeypatch):
    def refuse(*args, **kwargs):
        raise DatabaseError("the disk is full")

    measured(claim)
    monkeypatch.setattr(Sample.objects, "bulk_create", refuse)
    report = Report(claim, meter_with_a_rate(), Sampler(claim.job))

    report.send_if_due()

    assert not Sample.objects.exists()
    assert version_of(claim) > claim.shard.version


def meter_with_a_rate(clock=None):
    clock = clock or Clock()
    meter = RateMeter(clock)
    for size in (0, 1000):
        clock.now += 1
        meter.sample(size, size // 4)
    return meter


def test_a_sample_that_the_database_refuses_takes_no_report_along(claim, monkeypatch):
    def refused(job):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    measured(claim)
    before = version_of(claim)
    monkeypatch.setattr(samples, "speed_of", refused)

    Report(claim, meter_with_a_rate(), Sampler(claim.job)).send_if_due()

    assert version_of(claim) == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_in_a_sample_stops_no_shard(claim, monkeypatch):
    def cut_off(job):
        connection.connection.close()
        raise OperationalError("the server closed the connection")

    clock = Clock()
    measured(claim)
    before = version_of(claim)
    monkeypatch.setattr(samples, "speed_of", cut_off)
    report = Report(claim, meter_with_a_rate(), Sampler(claim.job, clock), clock)

    report.send_if_due()
    after = version_of(claim)
    monkeypatch.undo()
    clock.now += 1
    report.send_if_due()

    assert after == before
    assert version_of(claim) == before + 1
    assert Sample.objects.exists()


def version_of(claim):
    return TokenizationShard.objects.get(pk=claim.shard.pk).version


def test_a_report_comes_after_the_sample_that_its_version_covers(claim, monkeypatch):
    measured(claim)
    order = []
    monkeypatch.setattr(Sampler, "sample_if_due", lambda self: order.append("sample"))
    monkeypatch.setattr(type(claim), "report", lambda self, **figures: order.append("report") or True)

    Report(claim, meter_with_a_rate(), Sampler(claim.job)).send_if_due()

    assert order == ["sample", "report"]


VERBS = {"BEGIN": "B", "COMMIT": "C", "INSERT": "W", "UPDATE": "W", "DELETE": "W"}


def writes(captured):
    """How many transactions wrote something; a statement outside of one is its own."""
    letters = "".join(VERBS.get(query["sql"].split()[0].rstrip(";"), "") for query in captured)
    return sum("W" in one for one in re.findall("BW*C|W", letters))


@pytest.mark.django_db(transaction=True)
def test_a_shard_and_its_samples_are_written_at_most_twice_a_second(claim):
    clock = Clock()
    report = Report(claim, RateMeter(clock), Sampler(claim.job, clock), clock)
    seconds = 20

    with CaptureQueriesContext(connection) as captured:
        for tick in range(seconds * 50):
            clock.now = 1000 + tick / 50
            rows = tick * 10 // (seconds * 50)
            report.hear({**factories.child_counts(rows), "bytes": tick})
            report.send_if_due()

    assert any("datasets_app_sample" in query["sql"] for query in captured if query["sql"].startswith("INSERT"))
    assert seconds / REPORT_SECONDS * 0.9 <= writes(captured) <= seconds / REPORT_SECONDS


def test_the_card_has_the_curve_of_its_job(claim):
    measured(claim)
    for second in (2, 4):
        running_for(claim.job, second)
        Sampler(claim.job).sample_if_due()

    card = cards.load([claim.job.dataset])[0]

    assert card.panels[0].curve.said == "Tokens encoded per second over the run: 250, now 250"


def test_a_tokenization_takes_its_samples_along(claim):
    measured(claim)
    Sampler(claim.job).sample_if_due()
    claim.job.mark_for_deletion(None)
    claim.release("")

    keeper.tick()

    assert not Tokenization.objects.exists()
    assert not Sample.objects.exists()
    assert Dataset.objects.exists()


def test_a_dataset_takes_all_its_samples_along(claim):
    measured(claim)
    Sampler(claim.job).sample_if_due()
    claim.job.dataset.mark_for_deletion(None)
    claim.release("")

    keeper.tick()

    assert not Dataset.objects.exists()
    assert not Sample.objects.exists()


def with_samples(job, *seconds):
    rows = [
        Sample(dataset=job.dataset, job_id=job.pk, second=second, bytes_per_second=4e6, tokens_per_second=1e6)
        for second in seconds
    ]
    Sample.objects.bulk_create(rows)
    return job


@pytest.mark.parametrize("end", ["pause", "cancel", "fail"])
def test_the_curve_outlasts_the_run_without_a_rate_of_now(claim, end):
    job = with_samples(claim.job, 2, 4)
    job.fail("It broke.", "Mend it.") if end == "fail" else getattr(job, end)(None)

    (progress,) = cards.load([job.dataset])[0].panels

    assert progress.curve.said == "Tokens encoded per second over the run: 1.00 million"


def test_a_finished_job_has_its_curve_without_a_rate_of_now(claim):
    job = with_samples(claim.job, 2, 4)
    Tokenization.objects.filter(pk=job.pk).update(active_time=timedelta(seconds=4), running_since=None, status="ready")

    assert cards.load_job(job).curve.said == "Tokens encoded per second over the run: 1.00 million"


def test_no_more_curves_of_ended_jobs_are_read_than_a_card_has_panels(db):
    dataset = factories.ready_dataset()
    for length in range(8, 13):
        job = with_samples(factories.tokenization(dataset, max_length=length), 2, 4)
        job.start()
        job.cancel(None)

    jobs = cards.load([dataset])[0].jobs

    assert sum(bool(progress.speeds) for progress in jobs) == cards.PANELS


def test_a_panel_that_is_pushed_has_the_same_curve_as_the_page_that_shows_it(db, as_owner):
    dataset = factories.ready_dataset()
    jobs = [with_samples(factories.tokenization(dataset, max_length=length), 2, 4) for length in range(8, 12)]
    for job in jobs:
        job.start()
        job.cancel(None)
    longest_ended, boss = jobs[0], Viewer(pk=1, is_staff=True)
    panel = f"job-{longest_ended.pk}"

    page = as_owner.get(longest_ended.get_absolute_url()).content.decode()
    pushed = fragments.read({dataset.pk: {panel}}, {dataset.pk: {boss}}, {}, None)[dataset.pk][panel].html[boss]

    assert "Tokens encoded per second over the run: 1.00 million" in page
    assert "Tokens encoded per second over the run: 1.00 million" in pushed
