"""What the log of a dataset and of a tokenization tells, and its pages."""

import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from datasets_app import history, leases
from datasets_app.jobs import Stage, from_now
from datasets_app.models import Dataset, Event
from tests import factories
from tokenizations.models import Tokenization

pytestmark = pytest.mark.django_db


def told(job, kind=None):
    """Oldest first."""
    events = Event.objects.filter(job_id=job.pk).order_by("pk")
    return [event.text for event in (events.filter(kind=kind) if kind else events)]


def since(job, seconds):
    Tokenization.objects.filter(pk=job.pk).update(stage_since=from_now(timedelta(seconds=-seconds - 0.2)))


def claim():
    return leases.claim(Tokenization, "here:1:1")


def finish_all(job):
    while taken := claim():
        taken.finish([], **factories.counts(processed=10, size=taken.shard.bytes_total))


# Stages


def test_a_stage_that_starts_says_which_one_it_ends_and_how_long_that_took():
    job = factories.tokenization()
    job.start()
    since(job, 3)
    job.reach(Stage.LOADING_TOKENIZER)
    since(job, 62)
    job.reach(Stage.TOKENIZING)

    assert told(job, "stage") == [
        "Loading Tokenizer started, after 0:03 in the queue.",
        "Tokenizing started, after 1:02 of Loading Tokenizer.",
    ]


def test_whatever_ends_a_job_says_which_stage_it_ends():
    job = factories.tokenization()
    job.start()
    job.reach(Stage.TOKENIZING)
    since(job, 5)
    job.pause(None)
    job.requeue(None)
    job.start()
    job.reach(Stage.SAVING)
    since(job, 1)
    job.complete("Tokenization with bytes finished: 5 tokens in 3 rows.")

    assert "Tokenization with bytes paused, after 0:05 of Tokenizing." in told(job)
    assert told(job)[-1] == "Tokenization with bytes finished: 5 tokens in 3 rows, after 0:01 of Saving."


def test_slots_that_reach_a_stage_together_tell_it_once():
    job = factories.tokenization()
    job.start()
    slots = [Tokenization.objects.get(pk=job.pk) for _ in range(3)]

    for slot in slots:
        slot.reach(Stage.TOKENIZING)

    assert len(told(job, "stage")) == 1


def test_a_stage_of_an_earlier_version_ends_without_a_time():
    job = factories.tokenization()
    job.start()
    Tokenization.objects.filter(pk=job.pk).update(stage=Stage.TOKENIZING, stage_since=None)

    Tokenization.objects.get(pk=job.pk).reach(Stage.SAVING)

    assert told(job, "stage") == ["Saving started."]


# Checkpoints


def test_every_tenth_of_the_shards_is_told_once():
    job = factories.tokenization(factories.ready_dataset(groups=40))

    finish_all(job)

    assert told(job, "checkpoint") == [
        *(f"Checkpoint: {4 * tenth} of 40 shards saved, {10 * tenth}.0%." for tenth in range(1, 10)),
        "Checkpoint: all shards saved.",
    ]


def test_a_few_shards_are_a_checkpoint_each():
    job = factories.tokenization(factories.ready_dataset(groups=3))

    finish_all(job)

    assert told(job, "checkpoint") == [
        "Checkpoint: 1 of 3 shards saved, 33.3%.",
        "Checkpoint: 2 of 3 shards saved, 66.7%.",
        "Checkpoint: all shards saved.",
    ]


def test_whoever_lost_the_lease_tells_no_checkpoint():
    job = factories.tokenization(factories.ready_dataset(groups=1))
    late = claim()
    late.release("it was slow")
    fresh = claim()

    assert not late.finish([], **factories.counts(processed=10))
    assert told(job, "checkpoint") == []
    assert fresh.finish([], **factories.counts(processed=10))
    assert told(job, "checkpoint") == ["Checkpoint: all shards saved."]


@pytest.mark.django_db(transaction=True)
def test_slots_that_finish_at_once_neither_repeat_nor_skip_a_checkpoint():
    job = factories.tokenization(factories.ready_dataset(groups=20))
    job.start()
    claims = [claim() for _ in range(20)]

    def finish(mine):
        return lambda: [taken.finish([], **factories.counts(10, size=taken.shard.bytes_total)) for taken in mine]

    wrong = at_once(*(finish(claims[slot::4]) for slot in range(4)))

    assert wrong == []
    numbers = [int(re.search(r"(\d+) of 20", text)[1]) for text in told(job, "checkpoint")[:-1]]
    assert numbers == list(range(2, 20, 2))
    assert told(job, "checkpoint")[-1] == "Checkpoint: all shards saved."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_number", range(5))
def test_slots_that_tell_something_while_the_dataset_is_deleted_deadlock_nobody(round_number):
    job = factories.tokenization(factories.ready_dataset(groups=3))
    taken = [claim() for _ in range(3)]
    wrong = at_once(
        lambda: Tokenization.objects.get(pk=job.pk).reach(Stage.TOKENIZING),
        lambda: taken[0].finish([], **factories.counts(processed=10)),
        lambda: taken[1].release("it was slow"),
        lambda: Dataset.objects.get(pk=job.dataset_id).mark_for_deletion(None),
    )

    assert wrong == []
    assert not Dataset.objects.visible().exists()


def at_once(*deeds):
    """Each in a thread of its own, all let go together. Returns what they raised."""
    start, wrong = threading.Barrier(len(deeds)), []

    def do(deed):
        start.wait()
        try:
            deed()
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


# Retries, failures, and who


def test_a_resume_and_a_retry_are_told_apart(django_user_model):
    ada = django_user_model.objects.create(username="ada")
    job = factories.tokenization()
    claim().finish([], **factories.counts(processed=10))
    job.pause(ada)
    job.requeue(ada)
    job.cancel(ada)
    job.requeue(ada)

    assert told(job, "queued")[1:] == [
        "Tokenization with bytes resumed.",
        "Tokenization with bytes queued again: 1 of 4 shards are kept.",
    ]
    assert [event.actor for event in Event.objects.filter(job_id=job.pk, kind="queued")] == [ada, ada, None]


def test_a_failure_is_told_with_what_to_do():
    job = factories.tokenization()
    job.start()
    job.fail("The disk is full.", "Make room, then retry.")

    assert told(job, "failed") == ["The disk is full. Make room, then retry."]


# The fragment and the pages


@pytest.fixture
def job(owner):
    return factories.tokenization(factories.ready_dataset("letters", created_by=owner))


def tell_many(job, count):
    Event.objects.bulk_create(
        Event(dataset=job.dataset, job_id=job.pk, kind="stage", text=f"News {number}.", actor=job.dataset.created_by)
        for number in range(count)
    )


def test_a_history_is_the_newest_events_and_their_number(job):
    tell_many(job, 30)

    of_job, of_dataset = history.load(job), history.load(job.dataset)

    assert (len(of_job.events), of_job.total, of_job.version) == (20, 31, 31)
    assert of_job.events[0].text == "News 29."
    assert of_dataset.total == 32


def test_on_a_dataset_a_stage_says_of_which_job_it_is(job):
    tell_many(job, 1)

    assert history.load(job.dataset).events[0].about == "Tokenization with bytes"
    assert history.load(job).events[0].about == ""


def test_the_queries_of_a_history_do_not_grow(job, django_assert_num_queries):
    for length in (10, 20, 30):
        tell_many(factories.tokenization(job.dataset, max_length=length), 10)
    dataset = Dataset.objects.select_related("import_job").get(pk=job.dataset_id)

    with django_assert_num_queries(4):
        history.load(dataset)


def test_the_fragment_links_to_all_of_them(as_colleague, job):
    tell_many(job, 30)

    html = as_colleague.get(job.get_absolute_url()).content.decode()

    fragment = html.split(f'id="events-{job.pk}"')[1].split("</section>")[0]
    assert fragment.count("<li") == 20
    assert 'data-version="31"' in fragment
    assert f'href="{reverse("tokenizations:events", args=[job.pk])}">All 31 events</a>' in fragment
    assert "Olga Owner" in fragment


def test_a_short_history_needs_no_other_page(as_colleague, job):
    html = as_colleague.get(job.dataset.get_absolute_url()).content.decode()

    assert f'id="events-{job.dataset_id}" data-version="2"' in html
    assert "All 2 events" not in html


@pytest.mark.parametrize("name", ["tokenizations:events", "datasets:events"])
def test_the_whole_history_comes_in_pages(as_colleague, job, name):
    tell_many(job, 60)
    pk = job.pk if name == "tokenizations:events" else job.dataset_id
    address = reverse(name, args=[pk])

    first = as_colleague.get(address).content.decode()
    second = as_colleague.get(address, {"page": "2"}).content.decode()

    assert first.count("data-age") == 50
    assert first.index("News 59.") < first.index("News 10.")
    assert "News 9." not in first
    assert "News 9." in second
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    assert re.search(r'title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"', first)
    assert as_colleague.get(address, {"page": "nonsense"}).status_code == 200


@pytest.mark.parametrize("name", ["tokenizations:events", "datasets:events"])
def test_a_history_needs_something_that_is_there_and_a_reader(as_owner, as_stranger, job, name):
    pk = job.pk if name == "tokenizations:events" else job.dataset_id
    address = reverse(name, args=[pk])

    assert as_stranger.get(address).status_code == 302
    assert as_owner.post(address).status_code == 405
    assert as_owner.get(reverse(name, args=[uuid.uuid4()])).status_code == 404
    job.dataset.mark_for_deletion(None)
    assert as_owner.get(address).status_code == 404


def test_an_import_has_no_page_as_a_tokenization(as_owner, job):
    address = reverse("tokenizations:events", args=[job.dataset.import_job.pk])

    assert as_owner.get(address).status_code == 404


def test_the_text_of_an_event_is_inert(as_owner, job):
    Event.objects.create(dataset=job.dataset, kind="failed", text="<script>alert(1)</script>")

    assert "<script>alert" not in as_owner.get(reverse("datasets:events", args=[job.dataset_id])).content.decode()
