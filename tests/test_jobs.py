import itertools

import pytest
from django.db import IntegrityError, transaction

from datasets_app import cards
from datasets_app.creating import create_dataset
from datasets_app.errors import JobError
from datasets_app.jobs import MOVES, Stage, Status, find
from datasets_app.models import Dataset, Import
from datasets_app.shards import Shard
from tests import factories
from tokenizations.models import Tokenization, tokenize

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Status, Status)))
def test_a_job_moves_only_as_the_table_says(before, after):
    job = factories.queued_dataset().import_job
    Import.objects.filter(pk=job.pk).update(status=before)

    moved = job.move(after, "Moved.")

    job.refresh_from_db()
    assert moved == (after in MOVES.get(before, set()))
    assert job.status == (after if moved else before)


def test_of_two_who_end_a_job_only_the_first_does(django_user_model):
    job = factories.tokenization()
    late = Tokenization.objects.get(pk=job.pk)
    job.start()
    user = django_user_model.objects.create(username="ada")

    assert job.cancel(user)
    assert not late.complete("Done.")

    late.refresh_from_db()
    assert (late.status, late.ended_by) == (Status.CANCELLED, user)


def test_every_move_is_an_event_and_redraws_the_card():
    job = factories.tokenization()
    before = Dataset.objects.get(pk=job.dataset_id).version

    job.start()
    job.cancel(None)

    assert [event.kind for event in job.dataset.events.filter(job_id=job.pk)] == ["cancelled", "running", "queued"]
    assert Dataset.objects.get(pk=job.dataset_id).version == before + 2


def test_a_lost_move_leaves_no_trace():
    job = factories.tokenization()
    job.cancel(None)
    version = Dataset.objects.get(pk=job.dataset_id).version
    events = job.dataset.events.count()

    assert not job.pause(None)

    assert Dataset.objects.get(pk=job.dataset_id).version == version
    assert job.dataset.events.count() == events


def test_stages_only_go_forward():
    job = factories.tokenization()
    job.start()

    job.reach(Stage.TOKENIZING)
    job.reach(Stage.LOADING_TOKENIZER)

    job.refresh_from_db()
    assert job.stage == Stage.TOKENIZING


def test_a_retry_keeps_the_finished_shards_and_forgives_the_rest():
    job = factories.tokenization()
    job.start()
    job.shards.filter(index=0).update(state=Shard.State.DONE, kept=10, processed=10)
    job.shards.filter(index=1).update(deaths=2)
    job.fail("It broke.", "Mend it.")

    assert job.requeue(None)

    job.refresh_from_db()
    assert (job.status, job.failure, job.ended_at) == (Status.QUEUED, "", None)
    assert job.shards.get(index=0).state == Shard.State.DONE
    assert job.shards.get(index=1).deaths == 0


def test_elapsed_time_counts_only_while_running():
    job = factories.tokenization()
    job.start()
    job.pause(None)
    spent = job.elapsed
    job.requeue(None)

    assert job.running_since is None
    assert job.elapsed == spent


def test_the_database_refuses_rows_that_do_not_add_up():
    shard = factories.tokenization().shards.first()

    with pytest.raises(IntegrityError), transaction.atomic():
        type(shard).objects.filter(pk=shard.pk).update(processed=3, kept=1, filtered=1, filtered_junk=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        type(shard).objects.filter(pk=shard.pk).update(processed=11, kept=11)


def test_the_same_request_twice_is_one_tokenization():
    first = factories.tokenization()

    second, is_new = tokenize(first.dataset, first.tokenizer, first.options, None)

    assert (second.pk, is_new) == (first.pk, False)


def test_a_failed_tokenization_is_queued_again_by_the_same_request():
    first = factories.tokenization()
    first.fail("It broke.")

    second, _ = tokenize(first.dataset, first.tokenizer, first.options, None)

    assert second.pk == first.pk
    assert second.status == Status.QUEUED


def test_other_options_make_another_tokenization():
    dataset = factories.ready_dataset()

    assert factories.tokenization(dataset).pk != factories.tokenization(dataset, max_length=128).pk


def test_a_dataset_that_is_not_ready_cannot_be_tokenized():
    dataset = factories.queued_dataset()

    with pytest.raises(JobError, match="not ready"):
        factories.tokenization(dataset)


@pytest.mark.parametrize("options", [{"splits": ("dev",)}, {"text_column": "body"}])
def test_what_the_dataset_does_not_have_is_refused(options):
    dataset = factories.ready_dataset()
    spec = factories.tokenization(dataset).options.to_dict() | options

    with pytest.raises(JobError) as refused:
        tokenize(dataset, factories.tokenizer("other"), type(dataset.tokenizations.get().options).from_dict(spec), None)

    assert refused.value.advice


def test_a_name_is_given_once_and_free_again_after_a_deletion():
    dataset = factories.queued_dataset("poems")
    with pytest.raises(JobError, match="poems"):
        factories.queued_dataset("poems")

    dataset.mark_for_deletion(None)

    assert factories.queued_dataset("poems").pk != dataset.pk


def test_a_deleted_tokenization_never_lowers_the_version_of_its_card():
    job = factories.tokenization()
    job.shards.update(version=50)
    before = cards.load([job.dataset])[0].version

    job.mark_for_deletion(None)

    after = cards.load([Dataset.objects.get(pk=job.dataset_id)])[0]
    assert after.version > before
    assert after.tokenizations == []


def test_a_job_is_found_by_its_id_whatever_its_kind():
    job = factories.tokenization()

    assert find(str(job.pk)) == job
    assert find(job.dataset.import_job.pk) == job.dataset.import_job
    with pytest.raises(JobError, match="no job"):
        find("nonsense")


@pytest.mark.parametrize("name", ["", "x" * 121, "two\nlines"])
def test_a_dataset_needs_a_name_that_can_be_shown(name):
    with pytest.raises(JobError, match="name"):
        factories.queued_dataset(name)


def test_splits_that_differ_only_in_case_are_refused():
    files = [factories.a_file("a.csv", "train"), factories.a_file("b.csv", "Train")]

    with pytest.raises(JobError, match="upper and lower case"):
        create_dataset("letters", Dataset.Source.SERVER, files)


def test_who_may_not_control_a_job_cannot_start_it_again(django_user_model):
    job = factories.tokenization()
    job.cancel(None)
    stranger = django_user_model.objects.create(username="carl")

    with pytest.raises(JobError, match="cancelled"):
        tokenize(job.dataset, job.tokenizer, job.options, stranger)

    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_an_unfinished_job_is_always_shown_at_length():
    dataset = factories.ready_dataset()
    for length in (10, 20, 30):
        factories.tokenization(dataset, max_length=length).fail("It broke.")
    running = factories.tokenization(dataset, max_length=40)
    running.start()

    card = cards.load([dataset])[0]

    assert running.pk in {progress.job.pk for progress in card.panels}
    assert len(card.panels) == cards.PANELS
