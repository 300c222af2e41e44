import os
import time
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now

from datasets_app import keeper, leases, storage, wakeups
from datasets_app.errors import Cancelled
from datasets_app.jobs import from_now
from datasets_app.models import UPLOADS_KEPT, Dataset, Upload, Worker
from datasets_app.shards import Shard
from tests import factories
from tokenizations.models import Tokenization, TokenizationShard

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch, django_capture_on_commit_callbacks):
    """What would be enqueued during a round of the keeper."""
    sent = []
    monkeypatch.setattr(wakeups, "_enqueue", lambda queue, actor, count: sent.append((queue, count)))

    def tick():
        with django_capture_on_commit_callbacks(execute=True):
            keeper.tick()
            keeper.sweep()
        return sent

    return tick


def test_work_that_nobody_took_wakes_the_workers(woken):
    factories.tokenization()
    Worker.objects.create(pk="here", queue="tokenize", slots=3)

    assert ("tokenize", 3) in woken()


def test_work_that_is_held_or_over_wakes_nobody(woken):
    job = factories.tokenization()
    job.hold()

    assert woken() == []


def test_a_last_step_that_nobody_took_wakes_the_workers(woken):
    job = factories.tokenization(factories.ready_dataset(groups=1))
    leases.claim(Tokenization, "here").finish([], **factories.counts(processed=10))

    assert ("tokenize", 1) in woken()
    assert job.shards.get().state == Shard.State.DONE


def test_a_silent_shard_is_given_back(woken):
    job = factories.tokenization()
    leases.claim(Tokenization, "gone:1")
    TokenizationShard.objects.update(lease_until=from_now(timedelta(seconds=-1)))

    woken()

    assert job.shards.filter(state=Shard.State.WAITING).count() == 4


def test_a_deletion_waits_for_the_slot_that_is_still_at_work(woken):
    job = factories.tokenization()
    leases.claim(Tokenization, "here")
    job.dataset.mark_for_deletion(None)

    woken()
    assert Dataset.objects.filter(pk=job.dataset_id).exists()

    TokenizationShard.objects.update(lease_until=from_now(timedelta(seconds=-1)))
    woken()
    assert not Dataset.objects.filter(pk=job.dataset_id).exists()


def test_a_deletion_in_the_middle_of_work_stops_the_work():
    job = factories.tokenization()
    taken = leases.claim(Tokenization, "here")

    job.dataset.mark_for_deletion(None)

    assert not taken.report(**factories.counts(processed=1))


def old(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    long_ago = time.time() - storage.STALE_SECONDS - 60
    os.utime(path, (long_ago, long_ago))
    return path


def test_old_files_of_lost_attempts_are_swept_and_live_ones_kept(woken):
    job = factories.tokenization()
    live = leases.claim(Tokenization, "here")
    done = leases.claim(Tokenization, "here")
    done.finish([{"name": "00001-kept.arrow"}], **factories.counts(processed=1))
    staging = storage.staging_dir(storage.tokenization_dir(job.pk))
    kept = [old(staging / f"{live.stem}.arrow"), old(staging / "00001-kept.arrow")]
    lost = [old(staging / "00003-lost.arrow"), old(storage.Path(settings.SCRATCH_ROOT) / "lost")]

    woken()

    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in lost)


def test_forgotten_uploads_are_swept_after_a_day(woken, django_user_model):
    user = django_user_model.objects.create(username="ada")
    fresh, forgotten = Upload.objects.create(created_by=user), Upload.objects.create(created_by=user)
    Upload.objects.filter(pk=forgotten.pk).update(touched_at=from_now(-UPLOADS_KEPT))
    for upload in (fresh, forgotten):
        storage.upload_dir(upload.pk).mkdir(parents=True)

    woken()

    assert list(Upload.objects.all()) == [fresh]
    assert not storage.upload_dir(forgotten.pk).exists()


def test_workers_that_fell_silent_are_not_counted():
    Worker.objects.create(pk="here", queue="tokenize", slots=2, seen_at=Now())
    Worker.objects.create(pk="gone", queue="tokenize", slots=4, seen_at=from_now(timedelta(minutes=-1)))

    assert Worker.objects.slots("tokenize") == 2


def test_a_deletion_waits_for_the_last_step_that_is_under_way(woken):
    job = factories.tokenization(factories.ready_dataset(groups=1))
    leases.claim(Tokenization, "here").finish([], **factories.counts(processed=10))
    job, token = leases.to_finalize(Tokenization)
    job.mark_for_deletion(None)

    with pytest.raises(Cancelled):
        job.keep_finalization(token)
    woken()
    assert Tokenization.objects.filter(pk=job.pk).exists()

    Tokenization.objects.update(finalize_until=from_now(timedelta(seconds=-1)))
    woken()
    assert not Tokenization.objects.filter(pk=job.pk).exists()


def test_a_folder_that_belongs_to_nothing_is_swept(woken):
    orphan = storage.tokenization_dir(uuid.uuid4())
    orphan.mkdir(parents=True)
    long_ago = time.time() - storage.STALE_SECONDS - 60
    os.utime(orphan, (long_ago, long_ago))

    woken()

    assert not orphan.exists()
