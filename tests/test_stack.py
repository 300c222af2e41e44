"""The main job through the real stack: commands, web server, workers, sockets."""

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import datasets
import pytest
import websockets

from tests import real
from tests.stack import running_stack, wait_for

pytestmark = pytest.mark.stack

ROWS = 30_000
OBJECT = {
    "id", "dataset", "tokenizer", "status", "path", "fingerprint", "rows", "sequences", "tokens", "seconds",
    "encoder", "spec", "failure",
}  # fmt: skip
PROGRESS = {
    "job_id", "kind", "tokenization_id", "status", "stage", "progress", "samples_total", "samples_processed",
    "samples_kept", "samples_filtered", "samples_errored", "filter_mode", "filter_threshold", "tokens_processed",
    "tokens_per_second", "bytes_total", "bytes_done", "bytes_per_second", "waits_until", "waits_for",
    "elapsed_seconds", "estimated_seconds_remaining", "started_at", "completed_at", "version",
}  # fmt: skip


@pytest.fixture(scope="module")
def stack():
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def prose(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    for part in range(4):
        real.parquet(folder / f"{part}.parquet", real.texts(ROWS, seed=part), row_group_size=2000)
    stack.manage("add_tokenizer", "fast", str(real.byte_bpe(folder / "bpe.json")))
    stack.manage("add_tokenizer", "slow", str(real.wordpiece(folder / "wordpiece.json")))
    files = [f"{folder}/{part}.parquet:{'test' if part == 3 else 'train'}" for part in range(4)]
    stack.manage("import_dataset", "prose", *files, "--detach")
    return wait_for(lambda: dataset_named(stack, "prose", "ready"), 60, "the import")


@pytest.fixture(scope="module")
def client(stack):
    return stack.sign_in()


def dataset_named(stack, name, status):
    found = [each for each in stack.manage("list_datasets") if each["name"] == name]
    return found[0] if found and found[0]["status"] == status else None


def test_a_tokenization_on_the_workers_opens_with_load_from_disk(stack, prose):
    done = stack.manage("tokenize", "prose", "fast", "--max-length", "128")

    opened = datasets.load_from_disk(done["path"])
    assert set(done) == OBJECT
    assert done["status"] == "ready"
    assert set(opened) == {"train", "test"}
    assert sum(split.num_rows for split in opened.values()) == done["rows"]["kept"] == done["sequences"]
    assert done["rows"]["processed"] == done["rows"]["total"] == 4 * ROWS


def test_the_same_request_again_is_the_same_job(stack, prose):
    first = stack.manage("tokenize", "prose", "fast", "--max-length", "64")

    assert stack.manage("tokenize", "prose", "fast", "--max-length", "64") == first


def test_a_batch_is_every_pair(stack, prose):
    done = stack.manage("tokenize", "prose", "--tokenizer", "fast", "slow", "--splits", "test")

    assert [(each["tokenizer"], each["status"]) for each in done] == [("fast", "ready"), ("slow", "ready")]


def test_cancel_answers_at_once_and_the_work_stops_soon(stack, prose, client):
    job = stack.manage("tokenize", "prose", "slow", "--max-length", "99", "--detach")
    wait_for(lambda: job_of(client, prose, job)["samples_processed"], 30, "first rows")

    began = time.monotonic()
    assert client.post(f"/jobs/{job['id']}/cancel/") == 200
    replied = time.monotonic()
    wait_for(lambda: not working_on(stack, job), 5, "the end of the work")

    assert replied - began < 1
    assert job_of(client, prose, job)["status"] == "cancelled"
    assert not list(Path(job["path"]).rglob("manifest.json"))


def working_on(stack, job):
    """Whether any process still writes files of this job's shards."""
    return any((stack.var / "scratch").glob("0*"))


def test_a_cancelled_tokenization_can_be_retried_to_its_end(stack, prose, client):
    job = stack.manage("tokenize", "prose", "slow", "--max-length", "98", "--detach")
    wait_for(lambda: job_of(client, prose, job)["samples_processed"], 30, "first rows")
    stack.manage("cancel", job["id"])

    client.post(f"/jobs/{job['id']}/retry/")

    ended = wait_for(lambda: (now := job_of(client, prose, job))["status"] == "ready" and now, 60, "an end")
    assert ended["progress"] == 100
    assert ended["samples_processed"] == 4 * ROWS


def job_of(client, prose, job):
    return next(each for each in client.progress(prose["id"]) if each["job_id"] == job["id"])


def test_progress_json_has_the_agreed_keys_and_an_etag(prose, client):
    with client.opener.open(f"{client.url}/datasets/{prose['id']}/progress.json") as answer:
        jobs = json.loads(answer.read())

    assert {key for job in jobs for key in job} == PROGRESS
    with pytest.raises(urllib.error.HTTPError) as unchanged:
        client.opener.open(
            urllib.request.Request(answer.url, headers={"If-None-Match": answer.headers["ETag"]}), timeout=10
        )
    unchanged.value.close()
    assert unchanged.value.code == 304


def test_nothing_is_shown_without_signing_in(stack, prose):
    for path in ("/", f"/datasets/{prose['id']}/", f"/datasets/{prose['id']}/progress.json", "/tokenizers/", "/admin/"):
        with urllib.request.urlopen(stack.url + path, timeout=10) as answer:
            assert "prose" not in answer.read().decode()
            assert "login" in answer.url or "sign-in" in answer.url


def socket_of(stack, query, cookies, origin=None):
    url = f"{stack.url.replace('http', 'ws')}/ws/live/?{query}"
    return websockets.connect(url, additional_headers={"Cookie": cookies}, origin=origin or stack.url)


def test_a_socket_counts_up_while_the_job_runs(stack, prose, client):
    async def watch():
        frames = []
        async with socket_of(stack, f"card={prose['id']}", client.cookies) as socket:
            options = ("prose", "slow", "--max-length", "97", "--detach")
            submitted = asyncio.create_task(asyncio.to_thread(stack.manage, "tokenize", *options))
            async with asyncio.timeout(60):
                while not (submitted.done() and ended(frames, submitted.result()["id"])):
                    frames.append(await socket.recv())
                    if frames[-1].startswith("{"):
                        await socket.send(json.dumps({"beat": json.loads(frames[-1])["beat"]}))
        return [frame for frame in frames if f'id="job-{submitted.result()["id"]}-progress"' in frame]

    assert len(asyncio.run(watch())) >= 4


def ended(frames, job_id):
    return any(re.search(f'id="job-{job_id}"[^>]*data-status="ready"', frame) for frame in frames)


@pytest.mark.parametrize("who", ["nobody", "a foreign page"])
def test_a_socket_is_refused_to_whoever_may_not_look(stack, prose, client, who):
    cookies = "" if who == "nobody" else client.cookies
    origin = "http://127.0.0.1:1" if who == "a foreign page" else None

    async def look():
        async with socket_of(stack, f"card={prose['id']}", cookies, origin) as socket:
            return await socket.recv()

    with pytest.raises(websockets.ConnectionClosed) as closed:
        asyncio.run(look())
    assert closed.value.rcvd.code in (4401, 4403)


def test_an_import_that_fails_leaves_nothing_and_says_why(stack, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n3,4,5\n")

    said = stack.manage("import_dataset", "bad", str(bad), fails=True)

    assert "bad.csv" in said
    assert "line 3" in said.lower() or "row 2" in said.lower()
    assert not [each for each in stack.manage("list_datasets") if each["name"] == "bad"]
    assert stack.command("import_dataset", "bad", str(bad)).stderr.strip().count("\n") == 0


def test_a_deleted_dataset_is_gone_from_the_disk(stack, tmp_path):
    file = real.parquet(tmp_path / "short.parquet", ["one", "two"])
    made = stack.manage("import_dataset", "short", str(file))

    assert stack.manage("delete_dataset", "short")["status"] == "deleted"

    wait_for(lambda: not Path(made["path"]).exists(), 15, "the files to go")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokenize", "nothing", "fast"),
        ("tokenize", "prose", "nothing"),
        ("tokenize", "prose", "fast", "--max-length", "1"),
        ("tokenize", "prose", "fast", "--threshold", "7", "--filter", "strict"),
        ("tokenize", "prose", "fast", "--splits", "dev"),
        ("tokenize", "prose", "slow", "--max-length", "2"),
        ("cancel", "nonsense"),
        ("delete_dataset", "nothing"),
        ("import_dataset", "x", "/nowhere/x.csv"),
        ("add_tokenizer", "x", "/nowhere/x.json"),
    ],
)
def test_bad_input_gets_one_line_and_loses_nothing(stack, prose, client, arguments):
    before = {job["job_id"] for job in client.progress(prose["id"])}

    failed = stack.command(*arguments)

    assert failed.returncode != 0
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr
    assert {job["job_id"] for job in client.progress(prose["id"])} == before
