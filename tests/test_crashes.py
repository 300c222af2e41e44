"""What dies in the middle of the work costs seconds, and changes no byte of the result."""

import hashlib
import shutil
import time
from pathlib import Path

import pytest

from tests import real
from tests.stack import Stack, running_stack, wait_for

pytestmark = pytest.mark.stack

ROWS = 10_000
OPTIONS = ("--max-length", "256", "--filter", "standard", "--threshold", "0.4")


@pytest.fixture(scope="module")
def stack():
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def inputs(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    for part in range(6):
        real.parquet(folder / f"{part}.parquet", real.texts(ROWS, seed=part), row_group_size=2000)
    made = stack.manage("import_dataset", "prose", *(f"{folder}/{part}.parquet" for part in range(6)))
    stack.dataset_ids["prose"] = made["id"]
    stack.manage("add_tokenizer", "slow", str(real.wordpiece(folder / "tokenizer.json")))
    return folder


@pytest.fixture(scope="module")
def expected(stack, inputs):
    """The bytes of an undisturbed run on one slot of its own."""
    stack.env["TOKENYARD_SLOTS"] = "1"
    done = stack.manage("tokenize", "prose", "slow", *OPTIONS, "--here")
    stack.env["TOKENYARD_SLOTS"] = "2"
    hashes = hashes_of(Path(done["path"]))
    stack.manage("delete_tokenization", done["id"])
    assert not Path(done["path"]).exists()
    return hashes


def hashes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def started(stack: Stack) -> dict:
    """A tokenization in mid-shard."""
    job = stack.manage("tokenize", "prose", "slow", *OPTIONS, "--detach")
    wait_for(lambda: look(stack, job["id"])["samples_processed"] > 0, 30, "first rows")
    return job


def look(stack: Stack, job_id: str) -> dict:
    """The job as the database has it, whatever process is down just now."""
    return wait_for(lambda: glance(stack, job_id), 30, "an answer of the web server")


def glance(stack: Stack, job_id: str) -> dict | None:
    try:
        stack.client = stack.client or stack.sign_in()
        dataset = stack.dataset_ids["prose"]
        return next(each for each in stack.client.progress(dataset) if each["job_id"] == job_id)
    except OSError:
        return None


def finish(stack: Stack, job: dict) -> None:
    done = wait_for(lambda: (now := look(stack, job["id"]))["status"] in ("ready", "failed") and now, 90, "an end")
    assert done["status"] == "ready"
    counted = done["samples_kept"] + done["samples_filtered"] + done["samples_errored"]
    assert counted == done["samples_processed"] == done["samples_total"] == 6 * ROWS


def check_and_delete(stack: Stack, job: dict, expected: dict[str, str]) -> None:
    finish(stack, job)
    assert hashes_of(Path(job["path"])) == expected
    stack.manage("delete_tokenization", job["id"])
    wait_for(lambda: not Path(job["path"]).exists(), 30, "the files to go")


@pytest.mark.parametrize("slots", ["2", "3"])
def test_any_number_of_slots_gives_the_same_bytes(stack, expected, slots):
    stack.env["TOKENYARD_SLOTS"] = slots
    try:
        done = stack.manage("tokenize", "prose", "slow", *OPTIONS, "--here")
    finally:
        stack.env["TOKENYARD_SLOTS"] = "2"

    check_and_delete(stack, done, expected)


@pytest.mark.parametrize(
    "victim",
    [("tokenizations.engine.child",), ("worker", "tokenize"), ("keeper",), ("web",)],
    ids=lambda words: words[-1],
)
def test_a_killed_process_changes_nothing(stack, expected, victim):
    job = started(stack)

    stack.part(*victim).kill()

    check_and_delete(stack, job, expected)


def test_a_flushed_redis_changes_nothing(stack, expected):
    job = started(stack)

    stack.flush_redis()

    check_and_delete(stack, job, expected)


def test_a_killed_supervisor_takes_all_down_and_the_next_start_goes_on(stack, expected):
    job = started(stack)
    family = stack.family()

    stack.process.kill()
    stack.process.wait()
    wait_for(lambda: not any(process.is_running() for process in family), 15, "an end of all processes")
    stack.start()

    check_and_delete(stack, job, expected)


def test_a_dead_workers_shard_runs_elsewhere_within_30_seconds(stack, expected):
    job = started(stack)
    worker = stack.part("worker", "tokenize")
    worker.suspend()  # it holds its leases, and will never report again
    try:
        died_at = time.monotonic()
        other = stack.command_in_background("worker", "--queue", "tokenize", "--slots", "2")
        check_and_delete(stack, job, expected)
        assert time.monotonic() - died_at < 90
    finally:
        worker.resume()
        other.terminate()
        other.wait()


def test_a_full_stop_in_the_middle_is_made_up_for(stack, expected):
    job = started(stack)

    stack.stop()
    stack.start()

    check_and_delete(stack, job, expected)


def test_a_tokenizer_file_that_disappears_fails_the_job_with_a_sentence(stack, inputs):
    added = stack.manage("add_tokenizer", "lost", str(real.byte_bpe(inputs / "lost.json")))
    shutil.rmtree(Path(added["path"]).parent)

    failed = stack.manage("tokenize", "prose", "lost", fails=True)

    assert failed["status"] == "failed"
    assert "tokenizer" in failed["failure"].lower()
