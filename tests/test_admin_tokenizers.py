"""What an operator may say of a tokenizer: its roles, and its chat template."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from datasets_app.models import Dataset
from tests import factories, real
from tests.admin_pages import address, change
from tokenizations import repair
from tokenizations.engine.tokenizer_files import missing_tokens
from tokenizations.models import Tokenizer

pytestmark = pytest.mark.django_db

TEMPLATE = "{% for m in messages %}\n  {{ m.content }}{{ eos_token }}\n{% endfor %}\n"
END = "<|endoftext|>"
RIVER = "Ġriver"


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def tokenizer(tmp_path):
    return real.added("small", real.byte_bpe(tmp_path / "tokenizer.json"))


def errors_of(answer):
    return answer.context["adminform"].form.errors


def test_roles_and_chat_template_are_saved_and_logged(admin_client, admin_user, tokenizer):
    roles = {"bos": END, "eos": END, "pad": RIVER}

    change(admin_client, tokenizer, roles=json.dumps(roles), chat_template=TEMPLATE.replace("\n", "\r\n"))

    tokenizer.refresh_from_db()
    assert (tokenizer.roles, tokenizer.chat_template) == (roles, TEMPLATE)
    assert tokenizer.traits.special_tokens >= {END, RIVER}
    logged = LogEntry.objects.get()
    assert (logged.user, logged.object_id) == (admin_user, str(tokenizer.pk))
    assert logged.get_change_message() == "Changed Roles and Chat template."


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ('{"bos"', "Enter a valid JSON."),
        ('["<s>"]', 'These are not roles with a token each. Write them as in {"eos": "</s>"}.'),
        ('{"bos": 1}', 'These are not roles with a token each. Write them as in {"eos": "</s>"}.'),
        ('{"mask": "<mask>"}', "There is no role called 'mask'. Choose from: bos, eos, pad."),
        ('{"eos": "</s>"}', "'</s>' is not in this tokenizer's vocabulary. Name a token that is."),
        ('{"eos": "\\ud800"}', "'\\ud800' is not in this tokenizer's vocabulary. Name a token that is."),
        ('{"eos": ""}', "'' is not in this tokenizer's vocabulary. Name a token that is."),
    ],
)
def test_roles_that_cannot_be_are_refused_in_one_sentence(admin_client, tokenizer, roles, said):
    answer = change(admin_client, tokenizer, roles=roles)

    assert errors_of(answer) == {"roles": [said]}
    assert Tokenizer.objects.get(pk=tokenizer.pk).roles == tokenizer.roles


def test_roles_of_a_tokenizer_without_its_file_are_refused(admin_client):
    answer = change(admin_client, factories.tokenizer(), roles='{"eos": "</s>"}')

    assert "tokenizer.json cannot be read" in errors_of(answer)["roles"][0]


def test_without_roles_they_go_by_their_names_again(admin_client, tokenizer):
    change(admin_client, tokenizer, roles="")

    tokenizer.refresh_from_db()
    assert (tokenizer.roles, tokenizer.traits.roles) == ({}, {"eos": END})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if %}", "The chat template is broken on line 1"),
        ("{{ ''.__class__.__mro__ }}", "The chat template refused a chat"),
        ("{{ pad_token + '' }}", "'pad_token' is undefined"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_refused(admin_client, tokenizer, template, said):
    answer = change(admin_client, tokenizer, chat_template=template)

    assert list(errors_of(answer)) == ["chat_template"]
    assert said in errors_of(answer)["chat_template"][0]
    assert Tokenizer.objects.get(pk=tokenizer.pk).chat_template == ""


def test_roles_without_which_the_template_fails_are_refused(admin_client, tokenizer):
    Tokenizer.objects.filter(pk=tokenizer.pk).update(chat_template="{{ pad_token + '' }}", roles={"pad": END})
    tokenizer.refresh_from_db()

    answer = change(admin_client, tokenizer, roles=json.dumps({"eos": END}))

    assert "'pad_token' is undefined" in errors_of(answer)["chat_template"][0]
    assert Tokenizer.objects.get(pk=tokenizer.pk).roles == {"pad": END}


def test_a_template_with_the_newlines_of_windows_stays_when_only_the_name_changes(admin_client, tokenizer):
    template = "{{ messages }}\r\n"
    Tokenizer.objects.filter(pk=tokenizer.pk).update(chat_template=template)
    tokenizer.refresh_from_db()

    change(admin_client, tokenizer, name="other")

    tokenizer.refresh_from_db()
    assert (tokenizer.name, tokenizer.chat_template) == ("other", template)


def test_nothing_of_a_tokenization_changes_with_its_tokenizer(admin_client, tokenizer):
    Tokenizer.objects.filter(pk=tokenizer.pk).update(chat_template="{{ messages }}")
    job = factories.tokenization(append_eos=True)
    before = job.spec, job.fingerprint
    version = Dataset.objects.get(pk=job.dataset_id).version

    change(admin_client, job.tokenizer, roles=json.dumps({"eos": RIVER}), chat_template="")

    job.refresh_from_db()
    assert (job.spec, job.fingerprint) == before
    assert job.spec["eos_token"] == END
    assert Dataset.objects.get(pk=job.dataset_id).version == version + 1


@pytest.mark.django_db(transaction=True)
def test_others_can_write_while_a_template_is_tried(admin_client, tokenizer, monkeypatch):
    real_check, held = repair.check_edit, []

    def look(*args):
        held.append(connection.in_atomic_block)
        real_check(*args)

    monkeypatch.setattr(repair, "check_edit", look)
    change(admin_client, tokenizer, chat_template="{{ messages }}")

    assert held == [False]
    assert Tokenizer.objects.get(pk=tokenizer.pk).chat_template == "{{ messages }}"


def test_white_space_of_a_template_is_shown_as_it_is(admin_client, tokenizer):
    Tokenizer.objects.filter(pk=tokenizer.pk).update(chat_template="\n  {{ messages }}\n\n")

    html = admin_client.get(address(Tokenizer, "change", tokenizer.pk)).content.decode()

    assert ">\n\n  {{ messages }}\n\n</textarea>" in html


def test_tokens_are_looked_up_in_the_whole_vocabulary(tokenizer):
    assert missing_tokens(tokenizer.path, [END, RIVER, "no such token"]) == ["no such token"]
