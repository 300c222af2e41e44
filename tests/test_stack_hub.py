"""Bringing a dataset in from a Hub on loopback, through the pages, the commands and the workers of a real server."""

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests import real
from tests.canary import find_canary
from tests.hub.examples import TOKEN_READER, TOKEN_STRANGER, add_examples, jsonl_bytes
from tests.hub.faults import Slow, Status
from tests.hub.server import Hub
from tests.stack import Client, Stack, running_stack, wait_for

pytestmark = pytest.mark.stack

ROWS = 30_000
CREEPING = Slow(0.05, 48 << 10)  # about a megabyte a second
UNKNOWN = "hf_" + "Unknown5" * 5
FIRST_BYTE = re.compile(r"bytes=(\d+)-")
TOKEN_ID = re.compile(r"/account/tokens/([0-9a-f-]{36})/delete/")
_numbers = itertools.count(1)


@dataclass
class Lab:
    """A server, the Hub that it asks, and somebody who is signed in."""

    stack: Stack
    hub: Hub
    client: Client

    def add(self, gated: str = "", *, rows: int = ROWS) -> tuple[str, str]:
        """A new repository and its one file, so that no test joins what another one has begun."""
        name, file = f"lab/made-{next(_numbers)}", f"train-{next(_numbers)}.jsonl"
        self.hub.add(name, {file: jsonl_bytes(rows)}, gated=gated)
        if gated:
            reader = self.hub.readers[TOKEN_READER]
            self.hub.add_token(TOKEN_READER, *reader.repositories, name)
        return name, file

    def asked(self, repository: str, **more: Any) -> str:
        """The path of the answer, once it is there."""
        url = self.client.submit("/datasets/hub/", repository=repository, **more)
        path = url.removeprefix(self.stack.url)
        wait_for(lambda: "Asking the Hub" not in self.client.get(path), 20, "the Hub's answer")
        return path

    def begin(self, answer: str, **chosen: Any) -> str:
        """Choose, and give the id of the dataset that it becomes."""
        choice = {"name": f"dataset-{next(_numbers)}", "splits": ["train"], "text_column": "text"}
        url = self.client.submit(answer, **{**choice, **chosen})
        return url.rstrip("/").rsplit("/", 1)[1]

    def job(self, dataset: str, kind: str = "download") -> dict[str, Any]:
        return next((job for job in self.client.progress(dataset) if job["kind"] == kind), {})

    def wait_for_status(self, dataset: str, status: str, kind: str = "download", seconds: float = 30) -> dict[str, Any]:
        found: dict[str, Any] = wait_for(
            lambda: (job := self.job(dataset, kind)).get("status") == status and job, seconds, f"{kind} {status}"
        )
        return found

    def wait_for_bytes(self, dataset: str) -> None:
        wait_for(lambda: self.job(dataset).get("progress", 0) > 0, 20, "first bytes")

    def resumed_at(self, file: str) -> int:
        """The byte from which on the file was asked for the last time."""
        found = FIRST_BYTE.fullmatch(self.hub.asked_for(file)[-1].range or "")
        return int(found[1]) if found else 0

    def is_connected(self) -> bool:
        """Whether any of the server's processes still talks to the Hub."""
        return any(
            connection.raddr and connection.raddr.port == self.hub.hub.server_port
            for process in self.stack.family()
            for connection in connections(process)
            if connection.status == psutil.CONN_ESTABLISHED
        )

    def token(self, name: str, value: str) -> str:
        before = self.tokens()
        self.client.submit("/account/tokens/", name=name, value=value)
        (made,) = self.tokens() - before
        return made

    def tokens(self) -> set[str]:
        return set(TOKEN_ID.findall(self.client.get("/account/tokens/")))

    def places_of(self, token: str, *pages: str) -> list[str]:
        """Wherever the token is, in all that the server keeps and shows."""
        shown = ["/", "/account/tokens/", "/admin/datasets_app/hubtoken/", "/admin/datasets_app/download/"]
        return find_canary(
            token,
            roots=[self.stack.var],
            database=self.stack.env.get("DATABASE_URL") or str(self.stack.var / "tokenyard.sqlite3"),
            redis_url=self.stack.env.get("REDIS_URL") or f"unix://{self.stack.var}/redis.sock",
            texts=[*map(self.client.get, [*shown, *pages]), self.client.cookies],
        )


def connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("tcp"))
    except psutil.Error:
        return []


def pages_of(dataset: str) -> list[str]:
    return [f"/datasets/{dataset}/{page}" for page in ("", "card/", "events/", "progress.json")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Hub() as hub:
        add_examples(hub)
        with running_stack(HF_ENDPOINT=hub.endpoint) as stack:
            yield Lab(stack, hub, stack.sign_in())


def test_it_is_looked_up_downloaded_imported_and_tokenized(lab: Lab, tmp_path: Any) -> None:
    lab.stack.manage("add_tokenizer", "small", str(real.byte_bpe(tmp_path / "tokenizer.json")))
    answer = lab.asked("lab/stories")
    looked_at = lab.client.get(answer)

    dataset = lab.begin(answer, name="stories", splits=["train", "test"])
    lab.wait_for_status(dataset, "ready", "import")
    done = lab.stack.manage("tokenize", "stories", "small")

    assert "2,000" in looked_at
    assert done["status"] == "ready"
    assert done["rows"]["processed"] == 2200
    assert "apache-2.0" in looked_at


def test_a_killed_worker_s_download_goes_on_and_its_token_leaves_no_trace(lab: Lab) -> None:
    repository, file = lab.add(gated="manual")
    answer = lab.asked(repository, token=lab.token("killed", TOKEN_READER))
    lab.hub.fault(file, CREEPING)
    dataset = lab.begin(answer)
    lab.wait_for_bytes(dataset)
    asked_before = len(lab.hub.asked_for(file))

    lab.stack.part("worker", "import").kill()

    wait_for(lambda: len(lab.hub.asked_for(file)) > asked_before, 30, "another request")
    lab.wait_for_status(dataset, "ready", "import")
    assert lab.resumed_at(file) > 0
    assert lab.hub.asked_for(file)[-1].token == f"Bearer {TOKEN_READER}"
    assert "starts again" in lab.client.get(f"/datasets/{dataset}/events/")
    assert lab.places_of(TOKEN_READER, answer, *pages_of(dataset)) == []


def test_a_pause_stops_it_a_resume_goes_on_and_a_cancel_answers_at_once(lab: Lab) -> None:
    repository, file = lab.add()
    answer = lab.asked(repository)
    lab.hub.fault(file, CREEPING, times=2)
    dataset = lab.begin(answer)
    lab.wait_for_bytes(dataset)
    job = lab.job(dataset)["job_id"]

    lab.client.deed(job, "pause")
    wait_for(lambda: not lab.is_connected(), 5, "an end of the transfer")
    card = wait_for(lambda: card_with_bytes(lab, dataset), 5, "what has come")
    lab.client.deed(job, "resume")
    wait_for(lambda: lab.resumed_at(file) > 0, 10, "the rest")
    lab.wait_for_status(dataset, "running")
    began = time.monotonic()
    lab.client.deed(job, "cancel")
    replied = time.monotonic()
    wait_for(lambda: not lab.is_connected(), 5, "an end of the transfer")

    assert "What has come is kept." in card
    assert replied - began < 1
    assert lab.job(dataset)["status"] == "cancelled"
    assert lab.client.deed(job, "retry") == 200
    lab.wait_for_status(dataset, "ready", "import")


def card_with_bytes(lab: Lab, dataset: str) -> str | None:
    card = lab.client.get(f"/datasets/{dataset}/card/")
    return card if "Resume" in card and "<dd>0 bytes" not in card else None


def test_the_card_counts_the_seconds_that_the_hub_asks_to_wait(lab: Lab) -> None:
    repository, file = lab.add(rows=100)
    answer = lab.asked(repository)
    lab.hub.fault(file, Status(429, {"Retry-After": "4"}))

    dataset = lab.begin(answer)

    first = wait_for(lambda: seconds_on_card(lab, dataset), 10, "the seconds to wait")
    wait_for(lambda: 0 < seconds_on_card(lab, dataset) < first, 4, "fewer of them")
    assert first <= 4
    lab.wait_for_status(dataset, "ready", "import")


def seconds_on_card(lab: Lab, dataset: str) -> int:
    found = re.search(r"Waiting for the Hub, (\d+) s", lab.client.get(f"/datasets/{dataset}/card/"))
    return int(found[1]) if found else 0


def test_after_five_errors_it_fails_and_a_retry_does_it(lab: Lab) -> None:
    repository, file = lab.add(rows=100)
    answer = lab.asked(repository)
    asked_before = len(lab.hub.asked_for(file))
    lab.hub.fault(file, Status(503, {"Retry-After": "0"}), times=5)

    dataset = lab.begin(answer)

    job = lab.wait_for_status(dataset, "failed")
    assert len(lab.hub.asked_for(file)) - asked_before == 5
    assert "was tried 5 times in vain" in lab.client.get(f"/datasets/{dataset}/")
    lab.client.deed(job["job_id"], "retry")
    lab.wait_for_status(dataset, "ready", "import")


def test_a_token_that_was_used_leaves_no_trace(lab: Lab) -> None:
    token = lab.token("used", TOKEN_READER)
    answer = lab.asked("lab/gated", token=token)

    dataset = lab.begin(answer)
    lab.wait_for_status(dataset, "ready", "import")

    assert lab.hub.asked_for("train.parquet")[-1].token == f"Bearer {TOKEN_READER}"
    assert lab.places_of(TOKEN_READER, answer, *pages_of(dataset)) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("not known", UNKNOWN, "does not accept the token"), ("no consent", TOKEN_STRANGER, "has not accepted")],
)
def test_a_refused_token_leaves_no_trace(lab: Lab, name: str, value: str, sentence: str) -> None:
    token = lab.token(name, value)

    answer = lab.asked("lab/gated", token=token)
    told = lab.stack.manage("import_hub", "lab/gated", "--token-id", token, fails=True)

    assert sentence in lab.client.get(answer)
    assert sentence in told
    assert lab.places_of(value, answer) == []
    assert value not in told


def test_a_token_that_is_refused_only_while_it_downloads_leaves_no_trace(lab: Lab) -> None:
    repository, file = lab.add(gated="manual", rows=100)
    answer = lab.asked(repository, token=lab.token("refused later", TOKEN_READER))
    lab.hub.fault(file, Status(403, {"X-Error-Code": "GatedRepo"}))

    dataset = lab.begin(answer)

    lab.wait_for_status(dataset, "failed")
    assert "licence" in lab.client.get(f"/datasets/{dataset}/")
    assert lab.places_of(TOKEN_READER, answer, *pages_of(dataset)) == []


def test_a_command_brings_in_a_part_of_it(lab: Lab) -> None:
    chosen = ("--config", "german", "--split", "test", "--rows", "7", "--name", "german")

    done = lab.stack.manage("import_hub", "lab/languages", *chosen)
    again = lab.stack.manage("import_hub", "lab/languages", *chosen)

    assert (done["status"], done["rows"], done["splits"]) == ("ready", 7, [{"name": "test", "rows": 7}])
    assert (done["hub"]["repository"], done["hub"]["configuration"]) == ("lab/languages", "german")
    assert done["hub"]["commit"] == lab.hub.repositories["dataset", "lab/languages"].names["main"]
    assert again["id"] == done["id"]


def test_a_command_takes_a_revision_and_leaves_the_rest_to_the_workers(lab: Lab) -> None:
    chosen = ("--revision", "v2", "--split", "test", "--name", "second")

    told = lab.stack.manage("import_hub", "lab/stories", *chosen, "--detach")
    lab.wait_for_status(told["id"], "ready", "import")

    assert told["status"] in ("queued", "running")
    assert "100 rows" in lab.client.get(f"/datasets/{told['id']}/")


def test_a_command_says_how_the_files_are_read(lab: Lab) -> None:
    lab.hub.add("lab/ragged", {"train.csv": b"text,id\n" + b"a story,1\n" * 9 + b"b,2,3\n"})
    told = lab.stack.manage("import_hub", "lab/ragged", fails=True)

    done = lab.stack.manage("import_hub", "lab/ragged", "--bad-rows", "1", "--no-header")

    assert "train.csv" in told["failure"]
    assert (done["id"], done["status"], done["rows"]) == (told["id"], "ready", 10)


def test_a_command_uses_a_token_by_its_id(lab: Lab) -> None:
    token = lab.token("of a command", TOKEN_READER)

    done = lab.stack.manage("import_hub", "lab/private", "--token-id", token)

    assert (done["status"], done["rows"]) == ("ready", 100)


def test_a_command_goes_on_with_what_failed_although_workers_wait_for_work(lab: Lab) -> None:
    repository, file = lab.add(rows=100)
    told = [lab.stack.manage("import_hub", repository, "--text-column", "nope", fails=True) for _ in range(3)]
    fetched = len(lab.hub.asked_for(file))

    done = lab.stack.manage("import_hub", repository, "--text-column", "text")

    assert [each["failure"][:28] for each in told] == ["There is no text column nope"] * 3
    assert (done["status"], done["text_column"]) == ("ready", "text")
    assert len(lab.hub.asked_for(file)) == fetched


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ((), 2, "required: OWNER/NAME"),
        (("../etc",), 1, "is not the name of a dataset on the Hub"),
        (("lab/stories", "--rows", "some"), 2, "invalid int value"),
        (("lab/stories", "--rows", "9" * 40), 1, "--rows is not between 1 and 1,000,000,000,000."),
        (("lab/stories", "--split", "nowhere"), 1, "has no split called nowhere"),
        (("lab/stories", "--token-id", "none"), 1, "There is no such token."),
    ],
)
def test_what_is_wrong_with_a_command_is_told_in_one_line(
    lab: Lab, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    done = lab.stack.command("import_hub", *arguments)

    assert done.returncode == status
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
