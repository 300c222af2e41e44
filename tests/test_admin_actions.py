"""The operator's moves and deletions: what they do, when somebody was quicker, and who may not."""

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ObjectDoesNotExist

from datasets_app import admin_pages as module
from datasets_app import repair, storage
from datasets_app.errors import JobError
from datasets_app.jobs import Status
from datasets_app.models import Import
from datasets_app.shards import Shard
from tests import factories
from tests.admin_pages import act, address, delete, said
from tokenizations.models import Tokenization, Tokenizer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


# Retry, cancel, mark as failed


def test_retry_queues_again_and_keeps_what_is_done(admin_client, admin_user):
    job = factories.tokenization()
    job.start()
    job.shards.filter(index=0).update(state=Shard.State.DONE)
    job.cancel(None)

    messages = act(admin_client, "retry", job)

    job.refresh_from_db()
    assert messages == ["“letters with bytes”: Queued again; finished shards are kept."]
    assert (job.status, job.dataset.events.first().actor) == (Status.QUEUED, admin_user)
    assert job.shards.filter(state=Shard.State.DONE).count() == 1


def test_retry_of_what_runs_is_told_and_changes_nothing(admin_client):
    job = factories.queued_dataset().import_job
    job.start()

    messages = act(admin_client, "retry", job)

    assert messages == ["“Import of letters”: It is running and was not queued again. Nothing was changed."]
    assert Import.objects.get(pk=job.pk).status == Status.RUNNING


def test_cancel_stops_a_job_of_either_kind(admin_client, admin_user):
    jobs = [factories.queued_dataset("a").import_job, factories.tokenization()]

    messages = [act(admin_client, "cancel", job)[0] for job in jobs]

    assert all(message.endswith("Cancelled; finished shards are kept for a retry.") for message in messages)
    for job in jobs:
        job.refresh_from_db()
        assert (job.status, job.ended_by) == (Status.CANCELLED, admin_user)


def test_the_second_to_cancel_hears_who_was_first(admin_client, django_user_model):
    ada = django_user_model.objects.create(username="ada")
    job = factories.tokenization()
    late = Tokenization.objects.get(pk=job.pk)
    job.cancel(ada)

    with pytest.raises(JobError, match=r"It is cancelled since \d{4}-.* UTC by ada and was not cancelled\."):
        repair.cancel(late, None)

    assert job.dataset.events.filter(kind="cancelled").count() == 1


def test_several_at_once_are_told_of_one_by_one(admin_client):
    jobs = [factories.tokenization(factories.ready_dataset(name)) for name in ("a", "b")]
    jobs[0].cancel(None)

    messages = act(admin_client, "cancel", *jobs)

    assert sorted(message.split(":")[0] for message in messages) == ["“a with bytes”", "“b with bytes”"]
    assert sum("was not cancelled" in message for message in messages) == 1


def test_a_job_marked_as_failed_says_by_whom(admin_client, admin_user):
    job = factories.tokenization()
    job.start()

    act(admin_client, "mark_failed", job)

    job.refresh_from_db()
    assert (job.status, job.ended_by) == (Status.FAILED, admin_user)
    assert job.failure == "Tokenization with bytes was marked as failed by admin, in the administration."
    assert job.dataset.events.first().text == f"{job.failure} {job.advice}"


def test_what_is_ready_cannot_be_marked_as_failed(admin_client):
    job = factories.ready_dataset().import_job

    messages = act(admin_client, "mark_failed", job)

    assert "It is ready and was not marked as failed." in messages[0]
    assert Import.objects.get(pk=job.pk).failure == ""


@pytest.mark.parametrize("move", [repair.retry, repair.cancel, repair.mark_failed])
def test_what_is_being_deleted_moves_no_more(move):
    job = factories.tokenization()
    job.mark_for_deletion(None)

    with pytest.raises(JobError, match="It is being deleted"):
        move(job, None)

    assert Tokenization.objects.get(pk=job.pk).status == Status.QUEUED


@pytest.mark.parametrize("action", ["retry", "cancel", "mark_failed", "verify_files", "recount", "delete_selected"])
def test_staff_without_the_permission_cannot_act(client, django_user_model, action):
    user = django_user_model.objects.create(username="cyd", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    job = factories.tokenization()

    sent = {"action": action, "_selected_action": [job.pk], "post": "yes"}
    client.post(address(Tokenization, "changelist"), sent)

    after = Tokenization.objects.get(pk=job.pk)
    assert (after.version, after.status, after.delete_requested_at) == (job.version, Status.QUEUED, None)


def test_the_common_rule_is_asked_for_every_object(admin_client, monkeypatch):
    job = factories.tokenization()
    monkeypatch.setattr(module, "can", lambda *asked: False)

    messages = act(admin_client, "cancel", job)

    assert messages == ["“letters with bytes”: You may not do this. Ask its owner."]
    assert Tokenization.objects.get(pk=job.pk).status == Status.QUEUED


def test_what_is_not_ready_has_no_files_to_verify_or_count(admin_client):
    items = [factories.queued_dataset(), factories.tokenization(factories.ready_dataset("other"))]

    messages = [act(admin_client, action, item)[0] for item in items for action in ("verify_files", "recount")]

    assert all("It is queued: only what is ready has files to look at." in message for message in messages)


# Delete with files


def test_what_is_deleted_twice_is_told(admin_client):
    job = factories.tokenization()
    job.mark_for_deletion(None)

    messages = delete(admin_client, job)

    assert messages == ["“letters with bytes”: It is being deleted. Nothing was changed."]


def test_a_tokenizer_goes_with_its_file(admin_client, django_capture_on_commit_callbacks):
    tokenizer = factories.tokenizer("small")
    storage.write(tokenizer.path, b"{}")

    with django_capture_on_commit_callbacks(execute=True):
        messages = delete(admin_client, tokenizer)

    assert messages == ["“small”: Deleted with its file."]
    assert not tokenizer.path.parent.exists()
    with pytest.raises(ObjectDoesNotExist):
        tokenizer.refresh_from_db()


def test_a_tokenizer_in_use_stays(admin_client):
    tokenizer = factories.tokenization().tokenizer

    asked = admin_client.get(address(Tokenizer, "delete", tokenizer.pk)).content.decode()
    admin_client.post(address(Tokenizer, "delete", tokenizer.pk), {"post": "yes"})
    messages = delete(admin_client, tokenizer)

    assert "letters with bytes" in asked
    assert messages == ["“bytes”: bytes is used by 1 tokenizations. Delete them first."]
    assert Tokenizer.objects.filter(pk=tokenizer.pk).exists()


def test_a_tokenizer_that_was_taken_into_use_meanwhile_stays(admin_client, monkeypatch):
    tokenizer = factories.tokenizer()
    real_check = Tokenizer.remove

    def after_its_first_use(self):
        factories.tokenization()
        return real_check(self)

    monkeypatch.setattr(Tokenizer, "remove", after_its_first_use)
    page = admin_client.post(address(Tokenizer, "delete", tokenizer.pk), {"post": "yes"}, follow=True)

    assert said(page) == ["bytes is used by 1 tokenizations. Delete them first."]
    assert Tokenizer.objects.filter(pk=tokenizer.pk).exists()
