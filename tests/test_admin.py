"""Who may see and edit what in the administration, and what its lists cost."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets_app import repair
from datasets_app.admin_pages import YardAdmin
from datasets_app.hub_tokens import HubToken
from datasets_app.models import Dataset, Event, Import, Part, Upload, Worker
from tests import factories
from tests.admin_pages import address, change, said, tables_updated
from tokenizations.models import Tokenization, TokenizationShard, Tokenizer

pytestmark = pytest.mark.django_db

admin.autodiscover()
MODELS = sorted(
    (model for model in admin.site._registry if model._meta.app_label in ("datasets_app", "tokenizations")),
    key=lambda model: model._meta.label,
)
BY_HAND = ("preference",)
HOSTILE = "<script>alert(1)</script>"
TOKEN = "hf_" + "aB3" * 11 + "zQ7x"


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def one_of_each(admin_user):
    job = factories.tokenization(factories.ready_dataset(created_by=admin_user))
    Upload.objects.create(created_by=admin_user, files=[{"name": HOSTILE, "stored": "0", "kind": "csv", "bytes": 1}])
    Worker.objects.create(pk="here", queue="tokenize", slots=2)
    HubToken.store(admin_user, HOSTILE, TOKEN)
    return job


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_list_and_every_object_opens(admin_client, one_of_each, model):
    listed = admin_client.get(address(model, "changelist"))
    item = model._default_manager.first()
    opened = admin_client.get(address(model, "change", item.pk)) if item else listed

    assert (listed.status_code, opened.status_code) == (200, 200)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_can_be_searched_for_anything(admin_client, one_of_each, model):
    answers = [admin_client.get(address(model, "changelist"), {"q": term}) for term in ("letters", HOSTILE, "0f", "%")]

    assert {answer.status_code for answer in answers} == {200}


def test_imports_are_listed_newest_first(admin_client):
    for name, age in (("a", 2), ("b", 0), ("c", 1)):
        made = factories.queued_dataset(name).import_job
        Import.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=age))

    listed = admin_client.get(address(Import, "changelist")).context["cl"].result_list

    assert [job.dataset.name for job in listed] == ["b", "c", "a"]


def test_a_job_is_found_by_the_beginning_of_its_id(admin_client, one_of_each):
    page = admin_client.get(address(Tokenization, "changelist"), {"q": str(one_of_each.pk)[:13]})
    other = admin_client.get(address(Tokenization, "changelist"), {"q": "00000000-0000"})

    assert page.context["cl"].result_count == 1
    assert other.context["cl"].result_count == 0


@pytest.mark.parametrize("model", [Dataset, Import, Tokenization, TokenizationShard, Tokenizer, Part, Event])
def test_a_longer_list_takes_no_more_queries(admin_client, one_of_each, model, django_assert_num_queries):
    with CaptureQueriesContext(connection) as short:
        admin_client.get(address(model, "changelist"))
    for number in range(3):
        factories.tokenization(factories.ready_dataset(f"more-{number}"))
        factories.tokenizer(f"more-{number}")

    with django_assert_num_queries(len(short)):
        admin_client.get(address(model, "changelist"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_is_added_by_hand(admin_client, model):
    answer = admin_client.get(address(model, "add"))

    assert answer.status_code == (200 if model._meta.model_name in BY_HAND else 403)


@pytest.mark.parametrize("model", [Import, Part, Event, TokenizationShard, Upload, Worker])
def test_what_has_files_or_history_is_not_deleted_by_hand(admin_client, one_of_each, model):
    item = model._default_manager.first()

    answer = admin_client.post(address(model, "delete", item.pk), {"post": "yes"})

    assert answer.status_code == 403
    assert model._default_manager.filter(pk=item.pk).exists()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_only_what_an_operator_may_change_has_a_field(admin_client, one_of_each, model):
    item = model._default_manager.first()
    allowed = {Dataset: {"name", "owner", "text_column"}, Tokenizer: {"name", "owner", "roles", "chat_template"}}
    allowed |= {Import: {"owner"}, Tokenization: {"owner"}}

    if item and model._meta.model_name not in BY_HAND:
        page = admin_client.get(address(model, "change", item.pk))
        assert set(page.context["adminform"].form.fields) == allowed.get(model, set())


def test_who_is_not_staff_is_sent_away(client, django_user_model, one_of_each):
    client.force_login(django_user_model.objects.create(username="ada"))

    answers = [client.get(address(model, "changelist")) for model in MODELS]

    assert all(answer.status_code == 302 and "/login/" in answer["Location"] for answer in answers)


def test_staff_without_permissions_sees_nothing(client, django_user_model, one_of_each):
    client.force_login(django_user_model.objects.create(username="ben", is_staff=True))

    answers = [client.get(address(model, "changelist")).status_code for model in MODELS]

    assert set(answers) == {403}
    assert client.get(reverse("admin:index")).context["app_list"] == []


def test_staff_who_may_only_look_has_no_actions_and_no_form(client, django_user_model, one_of_each):
    user = django_user_model.objects.create(username="cyd", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)

    listed = client.get(address(Tokenization, "changelist"))
    sent = client.post(
        address(Tokenization, "changelist"), {"action": "cancel", "_selected_action": [one_of_each.pk]}, follow=True
    )
    changed = client.post(address(Dataset, "change", one_of_each.dataset_id), {"name": "mine"})

    one_of_each.refresh_from_db()
    assert listed.status_code == sent.status_code == 200
    assert listed.context["action_form"] is None
    assert changed.status_code == 403
    assert (one_of_each.status, one_of_each.dataset.name) == ("queued", "letters")


def test_text_of_others_is_inert(admin_client, one_of_each):
    dataset = one_of_each.dataset
    Dataset.objects.filter(pk=dataset.pk).update(name=HOSTILE, columns=[[HOSTILE, "string"]], text_column=HOSTILE)
    Tokenizer.objects.update(name=HOSTILE, source=HOSTILE, special_tokens={HOSTILE: 1})
    Tokenization.objects.update(failure=HOSTILE, encoder_reason=HOSTILE)
    TokenizationShard.objects.update(worker=HOSTILE)
    Event.objects.update(text=HOSTILE)

    pages = [admin_client.get(address(model, "changelist")) for model in MODELS]
    pages += [admin_client.get(address(type(item), "change", item.pk)) for item in (dataset, one_of_each)]
    pages += [admin_client.get(address(Dataset, "delete", dataset.pk))]
    pages += [admin_client.post(address(Dataset, "change", dataset.pk), {"name": HOSTILE, "text_column": "x"})]
    done = {"action": "verify_files", "_selected_action": [dataset.pk]}
    pages += [admin_client.post(address(Dataset, "changelist"), done, follow=True)]

    texts = [page.content.decode() for page in pages]
    assert all(HOSTILE not in text for text in texts)
    assert sum("&lt;script&gt;" in text for text in texts) >= 8


def test_the_pages_have_nothing_that_the_content_policy_forbids(admin_client, one_of_each):
    pages = [admin_client.get(address(model, "changelist")) for model in (Dataset, Tokenization)]
    pages += [admin_client.get(address(Dataset, "change", one_of_each.dataset_id))]

    texts = [page.content.decode() for page in pages]
    assert not any(re.search(r"<script(?![^>]*(src=|application/json))|\sstyle=|\son\w+=", text) for text in texts)


# Edits


def test_a_new_name_and_owner_are_saved_with_their_events(admin_client, admin_user, django_user_model):
    dataset = factories.ready_dataset(created_by=admin_user)
    version = dataset.version
    ada = django_user_model.objects.create(username="ada")

    change(admin_client, dataset, name="prose", owner=ada.pk)

    dataset.refresh_from_db()
    assert (dataset.name, dataset.created_by) == ("prose", ada)
    assert dataset.version > version
    assert {(event.text, event.actor) for event in dataset.events.filter(kind="edited")} == {
        ("Name changed from letters to prose.", admin_user),
        ("Owner changed from admin to ada.", admin_user),
    }


def test_the_text_column_is_one_of_the_text_columns(admin_client, admin_user):
    dataset = factories.ready_dataset()
    columns = [["text", "string"], ["title", "string"], ["year", "int64"]]
    Dataset.objects.filter(pk=dataset.pk).update(columns=columns)
    dataset.refresh_from_db()

    refused = change(admin_client, dataset, text_column="year")
    dataset.refresh_from_db()
    before = dataset.version, dataset.text_column
    content = shown_content(admin_client, dataset)
    change(admin_client, dataset, text_column="title")

    dataset.refresh_from_db()
    assert "text_column" in refused.context["adminform"].form.errors
    assert before == (dataset.version - 1, "text")
    assert dataset.text_column == "title"
    assert dataset.events.first().text == "Text column changed from text to title."
    assert dataset.events.first().actor == admin_user
    assert shown_content(admin_client, dataset) == content + 1


def shown_content(client, dataset):
    """The version by which an open page tells that its rows and columns are others now."""
    html = client.get(dataset.get_absolute_url()).content.decode()
    return int(re.search(rf'id="content-{dataset.pk}" data-version="(\d+)"', html)[1])


def test_the_text_column_waits_for_the_import(admin_client):
    dataset = factories.queued_dataset()

    change(admin_client, dataset, text_column="anything")

    dataset.refresh_from_db()
    assert dataset.text_column == ""


def test_a_save_writes_only_what_was_changed(admin_client, monkeypatch):
    dataset = factories.ready_dataset()
    real = YardAdmin.save_model

    def while_the_form_was_open(*args):
        Dataset.objects.filter(pk=dataset.pk).update(rows=77, text_column="other")
        return real(*args)

    monkeypatch.setattr(YardAdmin, "save_model", while_the_form_was_open)
    change(admin_client, dataset, name="prose", rows=1, fingerprint="forged", version=1)

    after = Dataset.objects.get(pk=dataset.pk)
    assert (after.name, after.rows, after.text_column) == ("prose", 77, "other")
    assert after.fingerprint == dataset.fingerprint


def test_a_save_that_changes_nothing_leaves_no_event(admin_client):
    dataset = factories.ready_dataset()

    change(admin_client, dataset)

    assert Dataset.objects.get(pk=dataset.pk).version == dataset.version
    assert not dataset.events.filter(kind="edited").exists()


@pytest.mark.parametrize("make", [factories.ready_dataset, factories.tokenizer])
def test_a_name_cannot_be_left_blank(admin_client, make):
    assert "Give it a name." in change(admin_client, make("letters"), name="").content.decode()


def test_a_name_that_was_taken_meanwhile_is_refused(admin_client, monkeypatch):
    dataset = factories.ready_dataset()
    real = YardAdmin.save_model

    def after_another_took_it(*args):
        factories.queued_dataset("prose")
        return real(*args)

    monkeypatch.setattr(YardAdmin, "save_model", after_another_took_it)
    answer = change(admin_client, dataset, name="prose")

    assert said(answer) == ["There is already a dataset named prose. Choose another name."]
    assert Dataset.objects.get(pk=dataset.pk).name == "letters"


def test_a_dataset_that_was_deleted_meanwhile_is_not_renamed(admin_client, admin_user, monkeypatch):
    dataset = factories.ready_dataset()
    real = YardAdmin.save_model

    def after_its_deletion(*args):
        Dataset.objects.get(pk=dataset.pk).mark_for_deletion(admin_user)
        return real(*args)

    monkeypatch.setattr(YardAdmin, "save_model", after_its_deletion)
    answer = change(admin_client, dataset, name="prose")

    assert said(answer) == ["It is being deleted. Nothing was changed."]
    assert not Dataset.objects.filter(name="prose").exists()


def test_what_is_being_deleted_has_no_form(admin_client, admin_user):
    dataset = factories.ready_dataset()
    dataset.mark_for_deletion(admin_user)

    answer = admin_client.post(address(Dataset, "change", dataset.pk), {"name": "mine"})

    assert answer.status_code == 403


def test_a_job_gets_a_new_owner(admin_client, django_user_model):
    job = factories.tokenization()
    ada = django_user_model.objects.create(username="ada")

    change(admin_client, job, owner=ada.pk)

    job.refresh_from_db()
    assert job.created_by == ada
    assert job.dataset.events.first().text == "Tokenization with bytes: Owner changed from nobody to ada."


def test_an_edit_locks_the_dataset_before_its_job_as_a_move_does(admin_user):
    job = factories.tokenization()

    locked = tables_updated(lambda: repair.edit_job(job, {"created_by": admin_user}, admin_user))

    assert locked == ["datasets_app_dataset", "tokenizations_tokenization"]


def test_a_renamed_tokenizer_redraws_the_cards_that_name_it(admin_client):
    job = factories.tokenization()
    before = Dataset.objects.get(pk=job.dataset_id).version

    change(admin_client, job.tokenizer, name="letters too")

    assert Tokenizer.objects.get(pk=job.tokenizer_id).name == "letters too"
    assert Dataset.objects.get(pk=job.dataset_id).version == before + 1


def test_the_operators_page_explains_every_action(rf, admin_user):
    request = rf.get("/admin/")
    request.user = admin_user
    offered = {
        str(text) for model in MODELS for _, _, text in admin.site._registry[model].get_actions(request).values()
    }
    page = (Path(settings.BASE_DIR) / "docs" / "operating.md").read_text()

    explained = {line.split("|")[1].strip() for line in page.splitlines() if line.count("|") == 5}
    plain = {text for text in offered if "%(" not in text}
    assert plain
    assert plain <= explained


def test_of_a_token_staff_sees_who_has_it_and_no_more(admin_client, one_of_each):
    token = HubToken.objects.get()

    pages = [admin_client.get(address(HubToken, "changelist")), admin_client.get(address(HubToken, "change", token.pk))]

    for page in pages:
        html = page.content.decode()
        assert "zQ7x" in html
        assert TOKEN not in html
        assert bytes(token.ciphertext).decode() not in html
        assert "ciphertext" not in html.lower()


def test_staff_deletes_a_token_of_somebody_else(admin_client, owner):
    token = HubToken.store(owner, "mine", TOKEN)

    answer = admin_client.post(address(HubToken, "delete", token.pk), {"post": "yes"}, follow=True)

    assert said(answer) == ["“mine”: Deleted for good."]
    assert not HubToken.objects.exists()
    assert TOKEN[-4:] not in admin_client.get("/admin/").content.decode()
