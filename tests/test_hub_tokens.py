import io
import pickle
import subprocess
import sys
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as started_with
from django.contrib.auth.models import AnonymousUser, User
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from config import checks
from datasets_app import keeper, masking
from datasets_app.access import ADD, CONTROL, DELETE, VIEW, can
from datasets_app.errors import JobError
from datasets_app.hub_tokens import LEFT_BEHIND, LONGEST, SHORTEST, HubToken, check_value
from tests.test_settings import read

TOKEN = "hf_" + "aB3" * 11 + "zQ7x"
OTHER = "api_org_" + "cD4" * 12
LETTERS = "abcXYZ019._~+/=-"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(masking, "_known", ())


def test_a_token_comes_back_only_when_it_is_asked_for(owner):
    token = HubToken.objects.get(pk=HubToken.store(owner, "gated", TOKEN).pk)

    assert token.reveal() == TOKEN
    assert (token.name, token.last4, token.shown, token.kept) == ("gated", "zQ7x", "…zQ7x", True)
    assert (
        TOKEN not in f"{token} {token!r} {vars(token)} {pickle.dumps(token)!r} {serializers.serialize('json', [token])}"
    )


@limits(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(value=st.text(st.sampled_from(LETTERS), min_size=SHORTEST, max_size=LONGEST))
def test_whatever_is_stored_is_not_in_the_database_and_comes_back_whole(owner, value):
    HubToken.objects.all().delete()
    token = HubToken.store(owner, "any", value)

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {HubToken._meta.db_table}")
        assert value.encode() not in b" ".join(str(cell).encode() for cell in cursor.fetchone())
    assert token.reveal() == value
    assert value not in masking.masked(f"<{value}>")


def test_a_use_is_written_down(owner):
    token = HubToken.store(owner, "gated", TOKEN)
    assert token.last_used_at is None

    token.reveal()
    token.refresh_from_db()

    assert timezone.now() - token.last_used_at < timedelta(seconds=5)


def test_the_same_token_is_encrypted_differently_each_time(owner):
    one, two = (bytes(HubToken.store(owner, name, TOKEN).ciphertext) for name in "ab")

    assert one != two


def test_names_are_somebodys_own(owner, colleague):
    HubToken.store(owner, "gated", TOKEN)
    HubToken.store(colleague, "gated", OTHER)

    with pytest.raises(JobError, match="There is already a token named gated"):
        HubToken.store(owner, "gated", OTHER)
    assert [token.reveal() for token in HubToken.objects.of(colleague)] == [OTHER]


def test_a_token_is_found_by_its_owner_and_from_the_shell(owner, colleague):
    token = HubToken.store(owner, "gated", TOKEN)

    assert HubToken.objects.find(token.pk, owner) == HubToken.objects.find(str(token.pk), None) == token
    for token_id, user in ((token.pk, colleague), ("nonsense", owner), ("nonsense", None)):
        with pytest.raises(JobError, match="There is no such token"):
            HubToken.objects.find(token_id, user)


def test_nobody_but_its_owner_uses_a_token(owner, colleague):
    token = HubToken.store(owner, "gated", TOKEN)
    staff = User.objects.create_user("sam", is_staff=True)

    allowed = {
        who: [action for action in (VIEW, CONTROL, DELETE) if can(user, action, token)]
        for who, user in
        {"owner": owner, "colleague": colleague, "staff": staff, "stranger": AnonymousUser(), "shell": None}.items()
    }  # fmt: skip

    assert allowed == {
        "owner": [VIEW, CONTROL, DELETE],
        "colleague": [],
        "staff": [DELETE],
        "stranger": [],
        "shell": [VIEW, CONTROL, DELETE],
    }
    assert can(owner, ADD)


@pytest.mark.parametrize("wrong", [
    "", "hf_short", "x" * (SHORTEST - 1), "x" * (LONGEST + 1), "hf_with spaces aaaaaaaaaaaaaaa",
    TOKEN + "\n", TOKEN + "é", "hf_" + "a" * 19, "hf_under_score_aaaaaaaaaaaaaaaaaaaa", '"' + TOKEN + '"',
])  # fmt: skip
def test_what_no_hub_would_take_is_refused_without_quoting_it(owner, wrong):
    with pytest.raises(JobError) as refusal:
        HubToken.store(owner, "gated", wrong)

    assert refusal.value.advice.startswith("Copy it again")
    assert not wrong or wrong not in f"{refusal.value} {refusal.value.advice}"
    assert not HubToken.objects.exists()


@pytest.mark.parametrize("value", [TOKEN, OTHER, "hf_" + "a" * 34, "cmVmdGtuOjAxOjE3Nj+/==", "1d5f.aa~b-c_dabc"])
def test_tokens_of_the_hub_and_of_mirrors_are_taken(value):
    check_value(value)


def test_a_token_given_as_a_name_is_not_kept(owner):
    with pytest.raises(JobError, match="This is a token, not a name"):
        HubToken.store(owner, TOKEN, OTHER)


def test_a_token_for_one_download_goes_when_that_has_ended(owner):
    once, kept = HubToken.store(owner, "once", TOKEN, kept=False), HubToken.store(owner, "kept", OTHER)

    HubToken.objects.release(once.pk)
    HubToken.objects.release(kept.pk)

    assert list(HubToken.objects.all()) == [kept]


def test_tokens_whose_download_never_ended_are_swept(owner):
    names = ("kept", "fresh", "unused", "used", "in use")
    _, fresh, _, used, in_use = (HubToken.store(owner, name, TOKEN, kept=name == "kept") for name in names)
    old = timezone.now() - LEFT_BEHIND - timedelta(hours=1)
    HubToken.objects.exclude(pk=fresh.pk).update(created_at=old)
    HubToken.objects.filter(pk=used.pk).update(last_used_at=old)
    in_use.reveal()

    keeper.sweep()

    assert {token.name for token in HubToken.objects.all()} == {"kept", "fresh", "in use"}


def test_a_token_goes_with_its_owner(owner):
    HubToken.store(owner, "gated", TOKEN)

    owner.delete()

    assert not HubToken.objects.exists()


def test_after_a_change_of_keys_old_tokens_are_read_and_new_ones_use_the_newest(owner, settings):
    old, new = settings.HUB_TOKEN_KEYS[0], Fernet.generate_key().decode()
    before = HubToken.store(owner, "before", TOKEN)

    settings.HUB_TOKEN_KEYS = [new, old]
    after = HubToken.store(owner, "after", OTHER)
    assert before.reveal() == TOKEN
    settings.HUB_TOKEN_KEYS = [new]
    assert after.reveal() == OTHER
    with pytest.raises(JobError) as gone:
        before.reveal()

    assert str(gone.value).startswith("The token before cannot be read any more")
    assert gone.value.advice == "Delete it under Hub tokens and add it again."


def test_tokens_encrypted_anew_need_the_old_key_no_more(owner, settings, capsys):
    old, new = settings.HUB_TOKEN_KEYS[0], Fernet.generate_key().decode()
    token = HubToken.store(owner, "gated", TOKEN)

    settings.HUB_TOKEN_KEYS = [new, old]
    call_command("encrypt_tokens")
    settings.HUB_TOKEN_KEYS = [new]
    token.refresh_from_db()

    assert capsys.readouterr().out == "encrypted 1\n"
    assert token.last_used_at is None
    assert token.reveal() == TOKEN


def test_nothing_is_encrypted_anew_if_one_cannot_be_read(owner, settings):
    lost, old, new = Fernet.generate_key().decode(), settings.HUB_TOKEN_KEYS[0], Fernet.generate_key().decode()
    fine = HubToken.store(owner, "a fine one", TOKEN)
    settings.HUB_TOKEN_KEYS = [lost]
    HubToken.store(owner, "lost", OTHER)
    settings.HUB_TOKEN_KEYS = [new, old]

    with pytest.raises(CommandError, match="The token lost cannot be read"):
        call_command("encrypt_tokens")
    settings.HUB_TOKEN_KEYS = [old]
    fine.refresh_from_db()

    assert fine.reveal() == TOKEN


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first, second = (read("HUB_TOKEN_KEYS", TOKENYARD_VAR=str(tmp_path)) for _ in range(2))

    assert first == second == str([(tmp_path / "token.key").read_text()])
    assert (tmp_path / "token.key").stat().st_mode & 0o777 == 0o600
    Fernet((tmp_path / "token.key").read_text())


def test_several_keys_are_given_newest_first():
    keys = [Fernet.generate_key().decode() for _ in range(2)]

    assert read("HUB_TOKEN_KEYS", TOKENYARD_TOKEN_KEY=" , ".join(keys)) == str(keys)


@pytest.mark.parametrize("wrong", ["secret-but-short", "a" * 44, f"{'A' * 43}=,secret-b", "é" * 44])
def test_a_wrong_key_stops_the_start_and_is_not_shown(wrong):
    said = read("HUB_TOKEN_KEYS", TOKENYARD_TOKEN_KEY=wrong)

    assert "TOKENYARD_TOKEN_KEY is wrong: each key is 32 random bytes" in said
    assert not any(key in said for key in wrong.split(","))


def test_a_damaged_key_file_stops_the_start_with_its_name(tmp_path):
    (tmp_path / "token.key").write_text("half")

    assert f"{tmp_path}/token.key is damaged" in read("HUB_TOKEN_KEYS", TOKENYARD_VAR=str(tmp_path))


def test_several_machines_are_told_to_share_both_keys(settings, monkeypatch):
    settings.EMBEDDED_REDIS = False
    monkeypatch.delenv("TOKENYARD_SECRET_KEY", raising=False)
    monkeypatch.setenv("TOKENYARD_TOKEN_KEY", Fernet.generate_key().decode())

    assert [warning.id for warning in checks.many_machines_share_their_keys()] == ["tokenyard.W003"]
    monkeypatch.delenv("TOKENYARD_TOKEN_KEY")
    assert [warning.id for warning in checks.many_machines_share_their_keys()] == ["tokenyard.W003", "tokenyard.W005"]


@pytest.mark.django_db(transaction=True)
def test_the_migration_goes_back_and_forth():
    def tables_after(*targets):
        executor = MigrationExecutor(connection)
        executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())
        return connection.introspection.table_names()

    try:
        assert HubToken._meta.db_table not in tables_after(("datasets_app", "0004_content_version"))
    finally:
        assert HubToken._meta.db_table in tables_after()


# Commands


def manage(var, *arguments, typed=""):
    program = [sys.executable, "manage.py", *arguments, "--json"]
    env = {"PATH": "", "TOKENYARD_VAR": str(var), "TOKENYARD_LOG_LEVEL": "WARNING"}
    return subprocess.run(
        program, cwd=started_with.BASE_DIR, env=env, input=typed, capture_output=True, text=True, check=False
    )


def test_the_commands_add_list_and_delete_without_showing_it(owner, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {TOKEN}\r\n"))
    call_command("add_token", "gated", "--user", "olga", "--once")
    call_command("list_tokens")
    token = HubToken.objects.get()
    call_command("delete_token", str(token.pk))
    shown = capsys.readouterr()

    assert token.reveal() == TOKEN
    assert not token.kept
    assert shown.out.count("ends_with zQ7x") == 3
    assert TOKEN not in shown.out + shown.err
    assert not HubToken.objects.exists()


def test_the_only_user_need_not_be_named(owner, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(TOKEN))
    call_command("add_token", "gated")
    assert HubToken.objects.get().owner == owner

    User.objects.create_user("carl")
    with pytest.raises(CommandError, match="Name the user with --user"):
        call_command("add_token", "gated")
    with pytest.raises(CommandError, match="There is no active user nina"):
        call_command("add_token", "gated", "--user", "nina")


def test_a_command_that_fails_does_not_quote_what_it_was_given(tmp_path):
    made = manage(tmp_path, "add_token", "gated", "--user", TOKEN, typed=TOKEN)
    missing = manage(tmp_path, "delete_token", TOKEN)

    assert made.returncode == missing.returncode == 1
    assert made.stderr.startswith("CommandError: There is no active user hf_…")
    assert missing.stderr.startswith("CommandError: There is no such token.")
