"""Buttons that come too late, and what they answer instead."""

from datetime import timedelta

import pytest
from django.urls import reverse

from datasets_app import keeper
from datasets_app.jobs import Status, from_now
from datasets_app.models import Event
from tests import factories
from tokenizations.models import Tokenization

HTMX = {"HX-Request": "true"}


@pytest.fixture
def job(owner):
    return factories.tokenization(factories.ready_dataset("letters", created_by=owner))


def press(client, deed, job, target="dataset"):
    """The button on a card, or on the panel of a page."""
    pk = job.dataset_id if target == "dataset" else job.pk
    headers = HTMX | {"HX-Target": f"{target}-{pk}"}
    return client.post(reverse(f"datasets:{deed}", args=[job.pk]), headers=headers)


def two_seconds_ago(job):
    moment = from_now(timedelta(seconds=-2.3))
    Tokenization.objects.filter(pk=job.pk).exclude(ended_at=None).update(ended_at=moment)
    Event.objects.update(created_at=moment)


ENDINGS = {
    "ready": (lambda job, who: job.complete("Done."), "It finished 2 s before your {}. The result is kept"),
    "failed": (lambda job, who: job.fail("It broke."), "It failed 2 s before your {}."),
    "marked": (lambda job, who: job.fail("Stopped.", "", who), "carl marked it as failed 2 s before your {}."),
    "cancelled": (lambda job, who: job.cancel(who), "carl cancelled it 2 s before your {}."),
    "by a command": (lambda job, who: job.cancel(None), "It was cancelled 2 s before your {}."),
}


@pytest.mark.parametrize("target", ["dataset", "job"])
@pytest.mark.parametrize("deed", ["cancel", "pause"])
@pytest.mark.parametrize("ending", list(ENDINGS))
def test_a_job_that_has_ended_says_how_by_whom_and_when(as_owner, colleague, job, ending, deed, target):
    end, said = ENDINGS[ending]
    job.start()
    end(job, colleague)
    status = job.status
    two_seconds_ago(job)

    answer = press(as_owner, deed, job, target)

    assert answer.status_code == 409
    assert said.format(deed) in answer.content.decode()
    assert answer.content.decode().count(f'id="job-{job.pk}"') == 1
    assert Tokenization.objects.get(pk=job.pk).status == status


def test_ones_own_deed_in_another_tab_is_told_as_such(as_owner, owner, job):
    job.cancel(owner)
    two_seconds_ago(job)

    assert "You cancelled it 2 s before your cancel." in press(as_owner, "cancel", job).content.decode()


def test_a_second_pause_says_who_paused_it(as_owner, colleague, job):
    job.start()
    job.pause(colleague)
    two_seconds_ago(job)

    assert "carl paused it 2 s before your pause." in press(as_owner, "pause", job).content.decode()


@pytest.mark.parametrize(("deed", "has_started"), [("resume", True), ("resume", False), ("retry", True)])
def test_a_second_resume_or_retry_says_who_set_it_going(as_owner, colleague, job, deed, has_started):
    job.pause(colleague) if deed == "resume" else job.cancel(colleague)
    job.requeue(colleague)
    if has_started:
        job.start()
    two_seconds_ago(job)

    answer = press(as_owner, deed, job).content.decode()

    assert f"carl set it going 2 s before your {deed}; it is {'running' if has_started else 'queued'}." in answer


def test_resuming_what_was_cancelled_meanwhile_is_a_retry(as_owner, colleague, job):
    job.pause(None)
    job.cancel(colleague)

    assert press(as_owner, "resume", job).status_code == 200
    assert Tokenization.objects.get(pk=job.pk).status == Status.QUEUED


def test_a_deleted_job_is_told_in_the_card_of_its_dataset(as_owner, colleague, job):
    job.mark_for_deletion(colleague)
    two_seconds_ago(job)

    answer = press(as_owner, "cancel", job)

    assert answer.status_code == 409
    assert answer.content.decode().startswith(f'<article class="card" id="dataset-{job.dataset_id}"')
    assert "carl deleted it 2 s before your cancel." in answer.content.decode()


def test_a_deleted_job_is_told_in_place_of_its_panel(as_owner, owner, job):
    job.mark_for_deletion(owner)
    two_seconds_ago(job)

    answer = press(as_owner, "cancel", job, "job")

    assert answer.status_code == 409
    assert f'id="deleted-{job.pk}" role="status"' in answer.content.decode()
    assert "You deleted it 2 s before your cancel." in answer.content.decode()


def test_a_deleted_dataset_is_told_in_place_of_its_card(as_owner, colleague, job):
    job.dataset.mark_for_deletion(colleague)
    two_seconds_ago(job)

    answer = press(as_owner, "pause", job)

    assert answer.status_code == 409
    assert answer.content.decode().startswith(f'<article class="card" id="deleted-{job.pk}"')
    assert "carl deleted it 2 s before your pause." in answer.content.decode()


def test_of_what_the_keeper_has_removed_there_is_still_a_sentence(as_owner, job):
    job.dataset.mark_for_deletion(None)
    keeper.tick()

    answer = press(as_owner, "cancel", job)

    assert not Tokenization.objects.exists()
    assert answer.status_code == 409
    assert "It was deleted before your cancel." in answer.content.decode()


def test_a_job_deleted_between_the_look_and_the_deed_is_told_too(as_owner, job, monkeypatch):
    cancel = Tokenization.cancel
    monkeypatch.setattr(Tokenization, "cancel", lambda self, who: self.mark_for_deletion(who) and cancel(self, who))

    answer = press(as_owner, "cancel", job)

    assert answer.status_code == 409
    assert "You deleted it 0 s before your cancel." in answer.content.decode()


def test_without_a_script_the_next_page_says_it(as_owner, colleague, job):
    job.cancel(colleague)
    two_seconds_ago(job)

    lost = as_owner.post(reverse("datasets:cancel", args=[job.pk]), follow=True).content.decode()
    job.mark_for_deletion(colleague)
    gone = as_owner.post(reverse("datasets:cancel", args=[job.pk]), follow=True)

    assert "carl cancelled it 2 s before your cancel." in lost
    assert "carl deleted it" in gone.content.decode()
    assert gone.redirect_chain[-1][0] == job.dataset.get_absolute_url()
