"""Tabs of a real browser before the real stack: fixtures and what a person would read off a page."""

import itertools
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer, normalizers

from tests import real
from tests.proxy import Proxy, proxy_before
from tests.stack import Client, Stack, running_stack, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
TIMEOUT_MS = 30_000
QUIET_SECONDS = 3.0
STILL_SECONDS = 1.0
# Work that a text normalizer does in vain: it makes a tokenizer slow, and its figures change a few times a second.
VAIN_ROUNDS = 16
FILES = 10
FILES_OF_TEST = 2
ROWS_A_FILE = 10_000

OpenTab = Callable[..., "Page"]

# What the page shows of a dataset and what the server would show now, as lines that differ. Times run on by themselves.
DIFFERENCES = """async (dataset) => {
  const live = /^(dataset|job)-[0-9a-f-]{36}(-progress|-controls)?$/;
  const running = ["Elapsed", "Remaining"];
  const facts = (root) => {
    const found = {};
    for (const element of [root, ...root.querySelectorAll("[data-version][id]")]) {
      if (live.test(element.id)) found[element.id] = [element.dataset.version, element.dataset.status].join(" ");
    }
    for (const label of root.querySelectorAll("[id$='-progress'] dt")) {
      const name = label.textContent.trim();
      const figure = label.nextElementSibling.textContent.replace(/\\s+/g, " ").trim();
      if (!running.includes(name)) found[label.closest("[id]").id + " " + name] = figure;
    }
    return found;
  };
  const ask = (url, headers) => fetch(url, {headers, cache: "no-store"});
  const wrong = [];
  const compare = (name, here, there) => {
    if (here !== there) wrong.push(`${name}: the page has ${here}, the server ${there}`);
  };
  for (const owner of document.querySelectorAll("[data-version][hx-get]")) {
    if (!live.test(owner.id)) continue;
    const answer = await ask(owner.getAttribute("hx-get"), {"HX-Request": "true"});
    const html = new DOMParser().parseFromString(await answer.text(), "text/html");
    const here = facts(owner), there = answer.ok ? facts(html.getElementById(owner.id)) : {};
    for (const name of new Set([...Object.keys(here), ...Object.keys(there)])) compare(name, here[name], there[name]);
  }
  const answer = await (await ask(`/datasets/${dataset}/progress.json`)).json();
  for (const job of answer.jobs ?? answer) {
    const panel = document.getElementById(`job-${job.job_id}`);
    const progress = document.getElementById(`job-${job.job_id}-progress`);
    if (panel) compare(panel.id, panel.dataset.status, job.status);
    if (progress) compare(progress.id, Number(progress.dataset.version), job.version);
  }
  if (!document.querySelector("[id^='job-']")) wrong.push("the page shows no job");
  return wrong;
}"""

FIGURES = """(job) => {
  const labels = document.querySelectorAll(`#job-${job} dt`);
  return Object.fromEntries([...labels].map((label) => [label.textContent, label.nextElementSibling.textContent]));
}"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """With one slot, so that the other core is left to the browser."""
    with running_stack(TOKENYARD_SLOTS="1") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    if CHROMIUM is None:
        if os.environ.get("TOKENYARD_REQUIRE_ALL"):
            pytest.fail("Chromium is missing: install the package chromium.")
        pytest.skip("Chromium is missing: install the package chromium to run the browser tests.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="module")
def boss(stack: Stack) -> Client:
    """What the owner of everything asks without a browser."""
    return stack.sign_in()


@pytest.fixture(scope="module")
def teammate(stack: Stack) -> Client:
    """Somebody who may look at everything, and control nothing of it."""
    stack.add_user("carl")
    return stack.sign_in("carl")


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[Proxy]:
    with proxy_before(stack.port) as between:
        yield between


@pytest.fixture
def open_tab(stack: Stack, boss: Client, browser: "Browser") -> Iterator[OpenTab]:
    """A new signed-in tab, with cookies of its own; what goes wrong in its console fails the test."""
    contexts, wrong = [], []

    def open_(path: str = "/", *, as_: Client = boss, url: str = "", prepare: Any = None, **options: Any) -> "Page":
        context = browser.new_context(base_url=url or stack.url, **options)
        contexts.append(context)
        context.add_cookies([{"name": c.name, "value": c.value or "", "url": stack.url} for c in as_.jar])
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        if prepare:
            prepare(page)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def prose(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A dataset in shards, of which the tokenizer `slow` does one in a second or two; `test` is the small split."""
    folder = tmp_path_factory.mktemp("inputs")
    added = stack.manage("add_tokenizer", "slow", str(slow_tokenizer(folder / "slow.json")))
    file = real.parquet(folder / "0.parquet", real.texts(ROWS_A_FILE), row_group_size=2000)
    files = [file, *(shutil.copy(file, folder / f"{number}.parquet") for number in range(1, FILES))]
    splits = [f"{file}:{'test' if number < FILES_OF_TEST else 'train'}" for number, file in enumerate(files)]
    return {**stack.manage("import_dataset", "prose", *splits), "tokenizer": added["id"]}


def slow_tokenizer(path: Path) -> Path:
    tokenizer = Tokenizer.from_file(str(real.wordpiece(path)))
    vain = [normalizers.NFD(), normalizers.NFC()] * VAIN_ROUNDS
    tokenizer.normalizer = normalizers.Sequence([*vain, tokenizer.normalizer])
    tokenizer.save(str(path))
    return path


_lengths = itertools.count(200)


@pytest.fixture
def tokenize(boss: Client, prose: dict[str, Any]) -> Iterator[Callable[..., str]]:
    """Start one more tokenization of the prose and give its id; what still goes on at the end is cancelled."""
    started: list[str] = []

    def start(*splits: str) -> str:
        options = {
            "tokenizer": prose["tokenizer"],
            "text_column": "text",
            "splits": splits or ("train", "test"),
            "max_length": next(_lengths),
            "filter_mode": "standard",
            "filter_threshold": 0.5,
        }
        page = boss.submit(f"/datasets/{prose['id']}/tokenize/", **options)
        assert "/tokenizations/" in page
        started.append(page.rstrip("/").rsplit("/", 1)[1])
        return started[-1]

    yield start
    for job in boss.progress(prose["id"]):
        if job["job_id"] in started and job["status"] in ("queued", "running", "paused"):
            boss.deed(job["job_id"], "cancel")


def figures(page: "Page", job: str) -> dict[str, str]:
    """By label, as they stand on the page."""
    found: dict[str, str] = page.evaluate(FIGURES, job)
    return {label.strip(): " ".join(figure.split()) for label, figure in found.items()}


def number(figure: str | None) -> int | None:
    digits = re.match(r"[\d,]+", figure or "")
    return int(digits.group().replace(",", "")) if digits else None


def processed(page: "Page", job: str) -> int:
    return number(figures(page, job).get("Processed")) or 0


def counts_on(page: "Page", job: str, times: int = 2, seconds: float = 30.0) -> list[int]:
    """The counts that the page has shown, until so many different ones came one after the other."""
    seen: list[int] = []

    def look() -> bool:
        now = processed(page, job)
        if now and now not in seen:
            assert not seen or now > seen[-1], f"the count fell: {seen}, {now}"
            seen.append(now)
        return len(seen) >= times

    try:
        wait_for(look, seconds)
    except AssertionError:
        shown = page.locator("main").inner_text()
        raise AssertionError(f"{times} values of Processed, not {seen}, on {page.url}: {shown}") from None
    return seen


def state(page: "Page", job: str) -> str | None:
    return page.locator(f"#job-{job}").first.get_attribute("data-status")


def panel(page: "Page", job: str) -> "Locator":
    return page.locator(f"#job-{job}")


def wait_for_state(page: "Page", job: str, *states: str, seconds: float = 30.0) -> None:
    wanted = ", ".join(f"#job-{job}[data-status={each}]" for each in states)
    page.locator(wanted).first.wait_for(timeout=seconds * 1000)


def wait_until_live(page: "Page", status: str = "live", seconds: float = 30.0) -> None:
    page.locator(f"#live[data-status={status}]").wait_for(timeout=seconds * 1000)


def assert_equal_to_database(boss: Client, dataset: str, *pages: "Page") -> None:
    """Every one of the tabs shows what the database says, at the latest three seconds after its last change."""
    versions: list[int] = []
    while True:
        now = [job["version"] for job in boss.progress(dataset)]
        if now != versions:
            versions, changed_at = now, time.monotonic()
        quiet = time.monotonic() - changed_at
        wrong = [f"{page.url}: {lines}" for page in pages if (lines := page.evaluate(DIFFERENCES, dataset))]
        if not wrong and quiet > STILL_SECONDS:
            return
        assert not wrong or quiet < QUIET_SECONDS, "\n".join(wrong)
