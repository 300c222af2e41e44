"""A job that was running while no worker was there: the time until one comes back is not time that it took."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from datasets_app import cards, leases
from datasets_app.jobs import from_now
from datasets_app.models import Worker
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MOMENT = timedelta(seconds=5)


def claim():
    return leases.claim(Tokenization, "here:1:1")


def let_pass(span):
    """As if everything that has happened so far had happened so much earlier."""
    TokenizationShard.objects.update(lease_until=F("lease_until") - span)
    Tokenization.objects.update(running_since=F("running_since") - span, finalize_until=F("finalize_until") - span)


def work(taken, span=MINUTE):
    """So long, and say so at the end of it."""
    let_pass(span)
    assert taken.report(**factories.counts(processed=5, size=10, tokens=600))


def elapsed(job):
    return Tokenization.objects.get(pk=job.pk).elapsed


@pytest.fixture
def job():
    return factories.tokenization()


def crash(taken):
    let_pass(HOUR)
    leases.expire(Tokenization)


def stop(taken):
    taken.release("its worker was stopped")
    let_pass(HOUR)


def stop_after_a_shard(taken):
    taken.finish([], **factories.counts(processed=10, size=taken.shard.bytes_total))
    let_pass(HOUR)


@pytest.mark.parametrize("go_down", [crash, stop, stop_after_a_shard])
def test_an_hour_without_a_server_does_not_count(job, go_down):
    taken = claim()
    work(taken)

    go_down(taken)
    before = cards.load_job(job)
    again = claim()
    after = cards.load_job(job)

    assert again is not None
    assert MINUTE <= elapsed(job) < MINUTE + MOMENT
    assert before.elapsed_seconds - after.elapsed_seconds < (HOUR + MOMENT).total_seconds()
    assert after.version > before.version


def test_a_crash_before_the_keeper_has_looked_round_does_not_count_either(job):
    work(claim())

    let_pass(HOUR)
    claim()

    assert MINUTE <= elapsed(job) < MINUTE + MOMENT


def test_however_many_slots_come_back_it_is_left_out_once(job):
    work(claim())
    let_pass(HOUR)

    late = Tokenization.objects.get(pk=job.pk)
    claims = [claim() for _ in range(3)]
    leases.leave_out_standstill(late)

    assert all(claims)
    assert MINUTE <= elapsed(job) < MINUTE + MOMENT


def test_it_stops_again_and_again(job):
    for _ in range(3):
        taken = claim()
        work(taken)
        stop(taken)

    claim()

    assert 3 * MINUTE <= elapsed(job) < 3 * MINUTE + MOMENT


def test_a_job_that_died_in_its_first_moment_has_taken_no_time(job):
    claim()

    let_pass(HOUR)
    claim()

    assert elapsed(job) < MOMENT


def test_a_job_that_waits_for_others_is_running_all_the_time(job):
    Worker.objects.create(id="somewhere", queue="tokenize", slots=1, seen_at=Now(), started_at=from_now(-2 * HOUR))
    taken = claim()
    work(taken)

    stop(taken)
    claim()

    assert elapsed(job) >= HOUR + MINUTE


@pytest.mark.parametrize("row", [{"queue": "import"}, {"seen_at": from_now(-MINUTE)}, {"started_at": Now()}])
def test_a_worker_of_another_queue_or_of_another_time_was_not_there(job, row):
    there = {"queue": "tokenize", "seen_at": Now(), "started_at": from_now(-2 * HOUR)}
    Worker.objects.create(id="somewhere", slots=1, **(there | row))
    taken = claim()
    work(taken)

    stop(taken)
    claim()

    assert elapsed(job) < MINUTE + MOMENT


def test_while_one_slot_is_at_work_another_leaves_nothing_out(job):
    taken = claim()
    let_pass(HOUR)
    assert taken.report(**factories.counts(processed=5))

    claim()

    assert elapsed(job) >= HOUR


def test_the_way_from_one_shard_to_the_next_counts(job):
    taken = claim()
    work(taken)
    taken.finish([], **factories.counts(processed=10, size=taken.shard.bytes_total))
    version = Tokenization.objects.get(pk=job.pk).version

    claim()

    assert Tokenization.objects.get(pk=job.pk).version == version
    assert elapsed(job) >= MINUTE


def test_a_last_step_that_goes_on_after_an_hour_leaves_it_out(job):
    while taken := claim():
        work(taken)
        taken.finish([], **factories.counts(processed=10, size=taken.shard.bytes_total, tokens=600))
    assert leases.to_finalize(Tokenization)
    let_pass(HOUR)

    (again, _) = leases.to_finalize(Tokenization)

    assert 4 * MINUTE <= elapsed(job) < 4 * MINUTE + MOMENT
    again.complete("Done.")
    assert cards.load_job(job).tokens_per_second == pytest.approx(2400 / 240, rel=0.03)


def test_a_pause_is_left_out_once(job):
    taken = claim()
    work(taken)
    job.pause(None)
    taken.release("")
    let_pass(HOUR)

    job.requeue(None)
    claim()

    assert MINUTE <= elapsed(job) < MINUTE + MOMENT


def test_a_job_of_an_earlier_version_goes_on(job):
    claim()
    Tokenization.objects.update(running_since=None)
    let_pass(HOUR)

    assert claim() is not None
