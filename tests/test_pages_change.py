"""Retry with changes: another import of the same upload, in the place of the one that failed."""

import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets_app import adding, keeper, leases, storage
from datasets_app.jobs import Status
from datasets_app.models import Dataset, Import, Upload
from tests import factories

HTMX = {"HX-Request": "true"}
CHOICES = {"name": "fox", "text_column": "text", "text_rows": "file", "split_0": "verse", "split_1": "test"}


@pytest.fixture
def failed(as_owner):
    """An import of two uploaded files, of which one is not what it seemed."""
    files = [SimpleUploadedFile("a.txt", b"one\ntwo\n"), SimpleUploadedFile("b-dev.csv", b"text\nthe fox\n")]
    address = as_owner.post(reverse("datasets:add"), {"files": files}).url
    assert as_owner.post(address, CHOICES).status_code == 302
    job = Import.objects.get(dataset__name="fox")
    job.start()
    job.fail("a.txt is not UTF-8.", "Convert it.")
    return job


def address_of(job):
    return reverse("datasets:change", args=[job.pk])


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_card_and_page_offer_it_beside_the_retry(as_owner, failed, end):
    Import.objects.filter(pk=failed.pk).update(status=end)

    for page in (reverse("datasets:list"), failed.dataset.get_absolute_url()):
        html = as_owner.get(page).content.decode()

        assert f'href="{address_of(failed)}">Retry with changes</a>' in html
        assert reverse("datasets:retry", args=[failed.pk]) in html


def test_the_form_has_what_was_chosen(as_owner, failed):
    html = as_owner.get(address_of(failed)).content.decode()

    for chosen in ('value="fox"', '<option value="text" selected>', 'name="split_0" value="verse"'):
        assert chosen in html
    assert 'value="file" id="id_text_rows_1" checked' in html.replace(" required", "")
    assert "The new import takes the place of the failed one" in html


def test_what_is_typed_survives_another_look_at_the_rows(as_owner, failed):
    asked = {"text_rows": "lines", "split_0": "typed"}

    html = as_owner.get(address_of(failed), asked, headers=HTMX).content.decode()

    assert 'name="split_0" value="typed"' in html
    assert 'name="split_1" value="test"' in html
    assert "<html" not in html


def test_the_new_import_takes_the_place_of_the_failed_one(as_owner, owner, failed):
    answer = as_owner.post(address_of(failed), CHOICES | {"text_rows": "lines", "split_0": "train"})

    (dataset,) = Dataset.objects.visible()
    assert answer.url == dataset.get_absolute_url()
    assert (dataset.name, dataset.created_by, dataset.pk != failed.dataset_id) == ("fox", owner, True)
    assert (dataset.import_job.status, dataset.import_job.options) == (Status.QUEUED, {"text": "lines"})
    assert [shard.split for shard in dataset.import_job.shards.all()] == ["train", "test"]


def test_the_files_outlast_the_import_that_failed(as_owner, failed):
    upload = Upload.objects.get()
    as_owner.post(address_of(failed), CHOICES)

    keeper.tick()
    keeper.sweep()

    (job,) = Import.objects.all()
    assert job.upload == upload
    assert [storage.Path(shard.path).exists() for shard in job.shards.all()] == [True, True]
    job.dataset.mark_for_deletion(None)
    keeper.tick()
    assert not Upload.objects.exists()
    assert not storage.upload_dir(upload.pk).exists()


def test_a_name_that_is_taken_leaves_the_failed_import_as_it_is(as_owner, failed, monkeypatch):
    factories.queued_dataset("taken")
    told = as_owner.post(address_of(failed), CHOICES | {"name": "taken"})
    monkeypatch.setattr("datasets_app.forms.ImportForm.clean_name", lambda form: form.cleaned_data["name"])

    taken_meanwhile = as_owner.post(address_of(failed), CHOICES | {"name": "taken"})

    for answer in (told, taken_meanwhile):
        assert answer.status_code == 422
        assert "There is already a dataset named taken." in answer.content.decode()
    assert Dataset.objects.visible().filter(name="fox", pk=failed.dataset_id).exists()
    assert Import.objects.visible().get(pk=failed.pk).status == Status.FAILED


def test_an_import_that_was_set_going_meanwhile_says_so(as_owner, colleague, failed):
    failed.requeue(colleague)

    for answer in (as_owner.get(address_of(failed), follow=True), as_owner.post(address_of(failed), follow=True)):
        assert "carl set it going 0 s before your change; it is queued." in answer.content.decode()
        assert answer.redirect_chain[-1][0] == failed.dataset.get_absolute_url()
    assert Dataset.objects.count() == 1


def test_an_import_that_is_set_going_while_the_form_is_read_is_not_replaced(as_owner, colleague, failed, monkeypatch):
    replace = adding.replace_dataset

    def too_late(job, *args, **fields):
        failed.requeue(colleague)
        return replace(job, *args, **fields)

    monkeypatch.setattr(adding, "replace_dataset", too_late)
    answer = as_owner.post(address_of(failed), CHOICES, follow=True)

    assert "carl set it going 0 s before your change; it is queued." in answer.content.decode()
    assert list(Dataset.objects.visible()) == [failed.dataset]


def test_sent_twice_it_is_imported_once(as_owner, failed):
    first = as_owner.post(address_of(failed), CHOICES)

    second = as_owner.post(address_of(failed), CHOICES, follow=True)

    assert second.redirect_chain[-1][0] == first.url
    assert "It is imported again already: this is it." in second.content.decode()
    assert Dataset.objects.visible().count() == 1


def test_an_import_that_was_deleted_meanwhile_says_so(as_owner, colleague, failed):
    failed.dataset.mark_for_deletion(colleague)

    answer = as_owner.post(address_of(failed), CHOICES, follow=True)

    assert "carl deleted it 0 s before your change." in answer.content.decode()
    assert not Dataset.objects.visible().exists()


def test_a_slot_that_still_reads_in_the_old_way_loses_its_file(owner):
    job = factories.queued_dataset("letters", created_by=owner).import_job
    taken = leases.claim(Import, "slow")
    job.refresh_from_db()
    job.cancel(owner)

    assert job.change(owner, "text", {"encoding": "latin-1"})
    again = leases.claim(Import, "quick")

    assert again.shard.pk == taken.shard.pk
    assert not taken.report(**factories.counts(5))
    assert not taken.finish([])
    assert again.report(**factories.counts(5))


def test_a_colleague_may_not(as_colleague, as_stranger, failed):
    assert as_colleague.get(address_of(failed)).status_code == 403
    assert as_colleague.post(address_of(failed), CHOICES).status_code == 403
    assert as_stranger.get(address_of(failed)).status_code == 302
    assert Import.objects.visible().filter(pk=failed.pk).exists()


def test_what_staff_changes_stays_its_owners(admin_client, admin_user, owner, failed):
    admin_client.post(address_of(failed), CHOICES)

    dataset = Dataset.objects.visible().get()
    assert (dataset.created_by, dataset.import_job.created_by) == (owner, owner)
    assert dataset.events.get().actor == admin_user


def test_there_is_nothing_to_change_where_nothing_was_uploaded(as_owner, owner):
    job = factories.queued_dataset("letters", created_by=owner).import_job
    job.fail("It broke.")

    assert as_owner.get(address_of(job)).status_code == 404
    assert as_owner.get(reverse("datasets:change", args=[uuid.uuid4()])).status_code == 404
