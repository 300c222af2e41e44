"""The search finds a secret wherever one is planted, or its silence would mean nothing."""

import base64
import gzip
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.hub_tokens import HubToken
from datasets_app.management import redis_server
from tests import factories
from tests.canary import CHUNK_BYTES, find_canary
from tests.stack import wait_for

CANARY = "hf_Canary0123456789abcdefXYZ"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "innocent.log").write_text("hf_… and hf_Canary\n")
    return tmp_path


def test_where_there_is_none_nothing_is_found(folder):
    assert find_canary(CANARY, roots=[folder], texts=["hf_…XYZ", ""]) == []


@pytest.mark.parametrize(
    ("form", "planted"),
    [
        ("plain", CANARY.encode()),
        ("reversed", CANARY[::-1].encode()),
        ("base64", base64.b64encode(f"user:{CANARY}".encode())),
        ("URL-encoded", "".join(f"%{ord(letter):02X}" for letter in CANARY).encode()),
        ("hexadecimal", CANARY.encode().hex().encode()),
        ("UTF-16", CANARY.encode("utf-16")),
        ("UTF-16", CANARY.encode("utf-16-be")),
        ("escaped", "".join(f"\\u{ord(letter):04x}" for letter in CANARY).encode()),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_it_is_found_in_files_in_every_form(folder, form, planted, pack):
    file = folder / "deep" / "er" / ".hidden"
    file.write_bytes(pack(b"\0\xff before " + planted + b" after"))

    assert find_canary(CANARY, roots=[folder]) == [f"{file}: {form}"]


@given(before=st.binary(max_size=9), after=st.binary(max_size=9), is_url=st.booleans())
def test_it_is_found_in_base64_wherever_it_begins(before, after, is_url):
    encode = base64.urlsafe_b64encode if is_url else base64.b64encode

    found = find_canary(CANARY, texts=[encode(before + CANARY.encode() + after).decode()])

    assert "text 0: base64" in found


def test_a_secret_with_signs_is_found_in_addresses(folder):
    value = "a+b/c=d~0123456789"

    assert find_canary(value, texts=[f"?token={quote(value, safe='')}"]) == ["text 0: URL-encoded"]


def test_it_is_found_across_the_border_of_two_pieces(folder):
    file = folder / "large.bin"
    file.write_bytes(b"x" * (CHUNK_BYTES - 5) + CANARY.encode() + b"x" * CHUNK_BYTES)

    assert find_canary(CANARY, roots=[file]) == [f"{file}: plain"]


def test_it_is_found_in_the_name_of_a_file(folder):
    (folder / f"token-{CANARY}").touch()

    assert find_canary(CANARY, roots=[folder]) == [f"name of {folder}/token-{CANARY}: plain"]


def test_what_is_not_there_is_an_error_and_no_silence(folder):
    with pytest.raises(AssertionError, match="does not exist"):
        find_canary(CANARY, roots=[folder / "missing"])
    with pytest.raises(sqlite3.OperationalError):
        find_canary(CANARY, database=str(folder / "missing.sqlite3"))


def database():
    if connection.vendor == "sqlite":
        return str(connection.settings_dict["NAME"])
    return os.environ["DATABASE_URL"].rsplit("/", 1)[0] + "/" + connection.settings_dict["NAME"]


@pytest.mark.django_db(transaction=True)
def test_it_is_found_in_every_kind_of_cell():
    owner = User.objects.create_user("olga", first_name=CANARY)
    made = HubToken.store(owner, "gated", CANARY)
    assert find_canary(CANARY, database=database()) == ["auth_user.first_name: plain"]

    HubToken.objects.update(ciphertext=CANARY.encode())
    factories.queued_dataset(options={"deep": [{"er": CANARY}]})
    packed = signing.dumps({"x": CANARY * 9}, compress=True, salt="any")
    Session.objects.create(session_key="x", session_data=packed, expire_date=made.created_at)

    assert find_canary(CANARY, database=database()) == [
        "auth_user.first_name: plain",
        "datasets_app_hubtoken.ciphertext: plain",
        "datasets_app_import.options: plain",
        "django_session.session_data: plain",
    ]


@pytest.fixture
def server():
    redis = pytest.importorskip("redis")
    with tempfile.TemporaryDirectory(prefix="yard-") as short:
        url = f"unix://{short}/redis.sock"
        command = [sys.executable, "-m", redis_server.__name__, url, f"{short}/redis"]
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: redis_server.answers(url))
            with redis.Redis.from_url(url) as client:
                yield url, client, Path(short)
        finally:
            process.terminate()
            process.wait(15)


def test_it_is_found_in_every_kind_of_key(server):
    url, client, folder = server
    client.set("innocent", secrets.token_bytes())
    assert find_canary(CANARY, redis_url=url) == []

    client.set("text", f"<{CANARY}>")
    client.rpush("list", "a", CANARY)
    client.sadd("set", CANARY)
    client.zadd("zset", {CANARY: 1})
    client.hset("hash", "field", base64.b64encode(CANARY.encode()))
    client.hset("hash", CANARY, "value")
    client.xadd("stream", {"field": CANARY})
    client.set(CANARY, "")

    found = find_canary(CANARY, redis_url=url)

    kinds = [f"redis b'{kind}': plain" for kind in ("hash", "list", "set", "stream", "text", "zset", CANARY)]
    assert found == sorted([*kinds, "redis b'hash': base64"])
    assert any("aof" in place for place in find_canary(CANARY, roots=[folder / "redis"]))
