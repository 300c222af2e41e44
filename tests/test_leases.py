import random
import uuid
from datetime import timedelta

import pytest

from datasets_app import cards, leases
from datasets_app.jobs import Status, from_now
from datasets_app.progress import Progress
from datasets_app.shards import CHILD_DEATHS_ALLOWED, Shard
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db


def claim(held=None):
    return leases.claim(Tokenization, "here:1:1", held)


def progress_of(job):
    return Progress(cards.load_job(job).job)


def test_the_first_claim_starts_the_job():
    job = factories.tokenization()

    taken = claim()

    job.refresh_from_db()
    assert job.status == Status.RUNNING
    assert taken.shard.index == 0


def test_a_shard_is_claimed_once():
    job = factories.tokenization()

    indexes = [claim().shard.index for _ in range(job.shards.count())]

    assert indexes == [0, 1, 2, 3]
    assert claim() is None


def test_a_small_job_is_served_beside_a_huge_one():
    huge = factories.tokenization(factories.ready_dataset("huge", groups=50))
    claim()
    small = factories.tokenization(factories.ready_dataset("small", groups=1))

    assert claim().job == small
    assert claim().job == huge


def test_a_report_renews_the_lease_and_counts():
    factories.tokenization()
    taken = claim()
    TokenizationShard.objects.filter(pk=taken.shard.pk).update(lease_until=from_now(timedelta(seconds=1)))

    assert taken.report(**factories.counts(processed=4, junk=1, size=400))

    shard = TokenizationShard.objects.get(pk=taken.shard.pk)
    assert (shard.processed, shard.kept, shard.filtered, shard.version) == (4, 3, 1, 2)
    assert not TokenizationShard.objects.filter(lease_until__lt=from_now(timedelta(seconds=10)), pk=shard.pk).exists()


@pytest.mark.parametrize("end", ["cancel", "pause"])
def test_a_report_hears_that_the_job_was_stopped(end):
    job = factories.tokenization()
    taken = claim()

    getattr(job, end)(None)

    assert not taken.report(**factories.counts(processed=4))
    assert TokenizationShard.objects.get(pk=taken.shard.pk).processed == 0


def test_whoever_lost_the_lease_changes_nothing():
    factories.tokenization()
    late = claim()
    TokenizationShard.objects.filter(pk=late.shard.pk).update(lease_until=from_now(timedelta(seconds=-1)))
    leases.expire(Tokenization)
    fresh = claim()

    assert fresh.shard.pk == late.shard.pk
    assert not late.report(**factories.counts(processed=9))
    assert not late.finish([], **factories.counts(processed=9))
    late.release("it came late")
    assert fresh.report(**factories.counts(processed=1))


def test_an_expired_shard_starts_again_and_says_so():
    job = factories.tokenization()
    taken = claim()
    taken.report(**factories.counts(processed=4, size=30 << 20))
    before = progress_of(job)
    TokenizationShard.objects.filter(pk=taken.shard.pk).update(lease_until=from_now(timedelta(seconds=-1)))

    assert leases.expire(Tokenization) == 1

    after = progress_of(job)
    assert after.job.total_processed == 0
    assert after.percent == before.percent > 0
    assert after.version > before.version
    assert "Shard 1 of 4 (train, rows 0 to 9) starts again" in job.dataset.events.first().text


def test_three_deaths_of_the_child_fail_the_job_and_name_the_shard():
    job = factories.tokenization()

    for _ in range(CHILD_DEATHS_ALLOWED):
        claim().release("used 5 GB of memory", child_died=True)

    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "Shard 1 of 4 (train, rows 0 to 9) stopped 3 times" in job.failure
    assert job.advice


def test_stops_of_the_worker_do_not_count_as_deaths():
    job = factories.tokenization()

    for _ in range(CHILD_DEATHS_ALLOWED + 1):
        claim().release("its worker was stopped")

    job.refresh_from_db()
    assert job.status == Status.RUNNING


def test_a_held_job_belongs_to_its_process_until_the_hold_runs_out():
    token = uuid.uuid4()
    dataset = factories.ready_dataset()
    job = factories.tokenization(dataset)
    Tokenization.objects.filter(pk=job.pk).update(hold_token=token, held_until=from_now(timedelta(seconds=20)))

    assert claim() is None
    assert claim(held=(job, token)) is not None

    Tokenization.objects.filter(pk=job.pk).update(held_until=from_now(timedelta(seconds=-1)))
    assert claim() is not None


def test_only_one_slot_finalizes_and_only_when_all_shards_are_done():
    job = factories.tokenization(factories.ready_dataset(groups=1))
    taken = claim()
    assert leases.to_finalize(Tokenization) is None

    taken.finish([], **factories.counts(processed=10, size=taken.shard.bytes_total))

    assert leases.to_finalize(Tokenization)[0] == job
    assert leases.to_finalize(Tokenization) is None


def test_a_finalization_whose_slot_died_is_taken_over():
    job = factories.tokenization(factories.ready_dataset(groups=1))
    claim().finish([], **factories.counts(processed=10))
    leases.to_finalize(Tokenization)

    Tokenization.objects.filter(pk=job.pk).update(finalize_until=from_now(timedelta(seconds=-1)))

    assert leases.to_finalize(Tokenization) is not None


def test_a_job_with_nothing_in_it_is_finalized():
    job = factories.tokenization(factories.ready_dataset(groups=0))

    assert claim() is None
    assert leases.to_finalize(Tokenization)[0] == job


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_rows_add_up_and_percent_never_falls(seed):
    chance = random.Random(seed)
    job = factories.tokenization(factories.ready_dataset(groups=3))
    claims, shown = [], 0.0

    for _ in range(60):
        deed = chance.choice(["claim", "report", "finish", "release", "expire", "pause", "resume"])
        if deed == "claim" and (taken := claim()):
            claims.append(taken)
        elif deed == "pause":
            job.pause(None)
        elif deed == "resume":
            job.requeue(None)
        elif deed == "expire":
            TokenizationShard.objects.filter(state=Shard.State.RUNNING).update(
                lease_until=from_now(timedelta(seconds=-1))
            )
            leases.expire(Tokenization)
        elif claims:
            taken = chance.choice(claims)
            rows = chance.randint(0, 10)
            done = factories.counts(rows, chance.randint(0, rows), size=taken.shard.bytes_total * rows // 10)
            act(taken, deed, done)
        now = progress_of(job)
        sums = now.job
        assert sums.total_kept + sums.total_filtered + sums.total_errored == sums.total_processed <= sums.rows_total
        assert shown <= now.percent <= 100
        shown = now.percent


def act(taken, deed, done):
    if deed == "report":
        taken.report(**done)
    elif deed == "finish":
        taken.finish([], **done)
    else:
        taken.release("of chance")
