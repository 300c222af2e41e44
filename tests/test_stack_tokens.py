"""A token goes in through the pages and the terminal of a real server, and is nowhere to be found."""

from urllib.error import HTTPError

import pytest

from tests.canary import find_canary
from tests.stack import running_stack

pytestmark = pytest.mark.stack
PAGE = "/account/tokens/"
CANARY = "hf_" + "Canary7" * 5
REVEAL = """
import logging
from datasets_app.hub_tokens import HubToken
value = HubToken.objects.get(name="gated").reveal()
logging.getLogger("worker").error("sent %s", value)
raise ValueError(f"Authorization: Bearer {value}")
"""


def refused(client, path, **fields):
    with pytest.raises(HTTPError) as refusal:
        client.submit(path, **fields)
    return f"{refusal.value.url} {refusal.value.headers} {refusal.value.read().decode()}"


def test_a_token_leaves_no_trace_on_a_server():
    with running_stack() as stack:
        boss = stack.sign_in()
        pages = [
            boss.submit(PAGE, name="gated", value=CANARY),
            refused(boss, PAGE, name=CANARY, value=CANARY),
            refused(boss, PAGE, name="gated", value=CANARY),
            refused(boss, PAGE, name="new", value=f"{CANARY} "[:12]),
            refused(boss, "/nowhere/", value=CANARY),
            boss.get(PAGE),
            boss.get("/admin/datasets_app/hubtoken/"),
        ]
        added = stack.command("add_token", "typed", "--user", "admin", input=CANARY)
        crash = stack.command("shell", "--verbosity", "0", "--command", REVEAL)
        pages += [added.stdout, added.stderr, crash.stdout, crash.stderr, boss.cookies]
        database = stack.env.get("DATABASE_URL") or str(stack.var / "tokenyard.sqlite3")
        redis_url = stack.env.get("REDIS_URL") or f"unix://{stack.var}/redis.sock"

        found = find_canary(CANARY, roots=[stack.var], database=database, redis_url=redis_url, texts=pages)

        assert "sent hf_…" in crash.stderr
        assert "Bearer hf_…" in crash.stderr
        assert len(stack.manage("list_tokens")) == 2, added.stderr
        assert found == []
