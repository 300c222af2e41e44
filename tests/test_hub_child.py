import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from datasets_app.children import GIB, ROOT, Child
from datasets_app.errors import JobError
from tests.hub import Slow, Status
from tests.hub.examples import card, csv_bytes, jsonl_bytes, parquet_bytes, tokenizer_json
from tests.hub.fixtures import CANARY, remote_file

NAME, PATH = "lab/stories", "train.jsonl"
CONTENT = jsonl_bytes(20_000)


@pytest.fixture
def child(hub, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("home")))
    child = Child("datasets_app.ingest.hub.child", memory_limit_bytes=GIB)
    yield child
    child.close()


def answers(child, **request):
    return [message for message in child.run(request) if message]


def download_request(hub, target, **more):
    return {"do": "download", "file": remote_file(hub, NAME, PATH).to_dict(), "target": str(target), **more}


def test_a_dataset_is_looked_up_shown_and_downloaded(hub, child, tmp_path):
    hub.add(NAME, {"README.md": card(), "train.parquet": parquet_bytes(100)})

    (listing,) = answers(child, do="look_up", of="dataset", name=NAME)
    file = listing["done"]["splits"][0]["files"][0]
    (shown,) = answers(child, do="preview", file=file, rows=3)
    done = answers(child, do="download", file=file, target=str(tmp_path / "a"))[-1]["done"]

    assert listing["done"]["splits"][0]["rows"] == 100
    assert [row["id"] for row in shown["done"]["rows"]] == [0, 1, 2]
    assert done["counts"]["bytes"] == file["bytes"] == (tmp_path / "a").stat().st_size


def test_a_tokenizer_is_looked_up(hub, child):
    hub.add(NAME, {"tokenizer.json": tokenizer_json()}, kind="model")

    (listing,) = answers(child, do="look_up", of="tokenizer", name=NAME, revision="main")

    assert [file["path"] for file in listing["done"]["files"]] == ["tokenizer.json"]


def test_a_refusal_keeps_its_kind_over_the_pipe_and_the_child_goes_on(hub, child):
    hub.add(NAME, {"train.csv": csv_bytes(5)}, gated="auto")
    hub.add_token(CANARY)

    kinds = []
    for name, token in [("lab/nobody", None), (NAME, None), (NAME, CANARY), (NAME, "hf_expired")]:
        with pytest.raises(JobError) as refused:
            answers(child, do="look_up", of="dataset", name=name, token=token)
        kinds.append(refused.value.kind)
        assert CANARY not in f"{refused.value} {refused.value.advice}"

    assert kinds == ["not_found", "token_needed", "consent_missing", "token_invalid"]


def test_a_download_killed_in_the_middle_goes_on_where_it_was(hub, child, tmp_path):
    hub.add(NAME, {PATH: CONTENT})
    hub.fault(PATH, Slow(0.05, 50_000))
    messages = child.run(download_request(hub, tmp_path / "a"))
    next(message for message in messages if message and message["counts"]["bytes"] > 200_000)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(Exception, match="killed by signal 9"):
        list(messages)
    there = (tmp_path / "a.part").stat().st_size

    done = answers(child, **download_request(hub, tmp_path / "a"))[-1]["done"]

    assert 200_000 < there < len(CONTENT)
    assert [asked.range for asked in hub.asked_for(PATH)] == [None, f"bytes={there}-"]
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert done["bytes"] == len(CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_wait_is_told_while_it_lasts_and_can_be_cancelled(hub, child, tmp_path):
    hub.add(NAME, {PATH: CONTENT})
    hub.fault(PATH, Status(429, {"Retry-After": "60"}))
    messages = child.run(download_request(hub, tmp_path / "a"))

    waits = []
    for message in messages:
        waits += [message] if message and "waiting" in message else []
        if len(waits) == 3:
            break
    messages.close()

    assert waits[0] == {"waiting": 60, "why": "the Hub asks to wait"}
    assert waits[-1]["waiting"] >= 58
    assert child.pid is None


def test_the_token_is_nowhere_but_in_the_request(hub, child, tmp_path, capfd):
    hub.add(NAME, {PATH: CONTENT, "README.md": card()}, private=True)
    hub.add_token(CANARY, NAME)
    hub.fault(PATH, Status(503))

    told = answers(child, do="look_up", of="dataset", name=NAME, token=CANARY)
    told += answers(child, **download_request(hub, tmp_path / "a", token=CANARY))

    for place in ("cmdline", "environ"):
        assert CANARY.encode() not in Path(f"/proc/{child.pid}/{place}").read_bytes()
    assert CANARY not in json.dumps(told)
    assert CANARY not in "".join(capfd.readouterr())
    assert all(CANARY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert {asked.token for asked in hub.log} == {f"Bearer {CANARY}"}


@pytest.mark.parametrize("where", ["HF_TOKEN", "file"])
def test_a_token_of_the_server_is_never_sent_for_a_user(hub, child, monkeypatch, where):
    hub.add(NAME, {PATH: CONTENT, "README.md": card()})
    hub.add_token(CANARY)
    if where == "file":
        Path(os.environ["HF_HOME"], "token").write_text(CANARY)
    else:
        monkeypatch.setenv("HF_TOKEN", CANARY)

    answers(child, do="look_up", of="dataset", name=NAME)

    assert {asked.token for asked in hub.log} == {None}


def test_a_look_up_leaves_nothing_on_disk(hub, child):
    hub.add(NAME, {PATH: CONTENT, "README.md": card()})

    answers(child, do="look_up", of="dataset", name=NAME)

    left = [path for _, _, files in os.walk(os.environ["HF_HOME"]) for path in files]
    assert left == []


def test_a_download_needs_neither_pandas_nor_the_clients():
    code = (
        "import sys, datasets_app.ingest.hub.child\n"
        "print([name for name in ('pandas', 'django', 'datasets', 'huggingface_hub') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


def test_the_hub_to_try_things_with_starts_by_hand():
    command = [sys.executable, "-m", "tests.hub", "--cdn"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.kill()

    assert first.startswith("HF_ENDPOINT=http://127.0.0.1:")
