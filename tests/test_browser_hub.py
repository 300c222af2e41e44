"""A dataset of the Hub in a browser: typed, looked at, chosen, watched while it comes."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.browser import OpenTab, wait_until_live
from tests.hub.examples import add_examples, jsonl_bytes
from tests.hub.faults import Slow, Status
from tests.hub.server import Hub
from tests.stack import Stack, running_stack, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.stack, pytest.mark.browser]

ROWS = 20_000


@pytest.fixture(scope="module")
def small_hub() -> Iterator[Hub]:
    with Hub() as hub:
        add_examples(hub)
        hub.add("lab/long", {"train.jsonl": jsonl_bytes(ROWS), "long-test.jsonl": jsonl_bytes(100)})
        yield hub


@pytest.fixture(scope="module")
def stack(small_hub: Hub) -> Iterator[Stack]:
    with running_stack(TOKENYARD_SLOTS="1", HF_ENDPOINT=small_hub.endpoint) as running:
        yield running


def look_up(page: "Page", name: str) -> None:
    page.get_by_label("Name or address").fill(name)
    page.get_by_role("button", name="Look it up").click()
    page.wait_for_url(re.compile(r"/datasets/hub/[0-9a-f-]{36}/"))


def test_a_dataset_comes_in_by_its_name(small_hub: Hub, open_tab: OpenTab) -> None:
    page = open_tab("/datasets/add/")
    look_up(page, "lab/long")
    page.get_by_role("heading", name="First rows").wait_for()
    small_hub.fault("/train.jsonl", Slow(0.05, 32 << 10))

    page.get_by_label("test", exact=True).uncheck()
    page.get_by_label("Name", exact=True).fill("long")
    page.get_by_role("button", name="Download and import").click()

    page.get_by_role("heading", name="long", exact=True).wait_for()
    wait_until_live(page)
    job = page.locator("[id^=job-][data-status=running]").first
    job.get_by_text("Received").wait_for()
    page.get_by_role("progressbar", name="All running jobs").wait_for()
    seen: list[str] = []
    wait_for(lambda: len(shares_seen(page, seen)) > 2, 30, "a percentage that moves")
    page.get_by_role("heading", name="First rows").wait_for()
    assert "20,000 rows" in page.locator("main").inner_text()
    assert [split.inner_text() for split in page.locator("[aria-labelledby=splits-title] tbody th").all()] == ["train"]
    assert "the quick" in page.locator("main").inner_text()


def test_what_there_is_to_download_follows_the_choice(small_hub: Hub, open_tab: OpenTab) -> None:
    small_hub.add("lab/parts", {"train.jsonl": jsonl_bytes(3000), "test.jsonl": jsonl_bytes(100)})
    page = open_tab("/datasets/hub/")
    look_up(page, "lab/parts")
    told = page.locator(".launch [role=status]")
    told.get_by_text("to download for all splits").wait_for()
    page.reload()  # what is chosen is restored later only of fields that came with their page

    page.get_by_label("train", exact=True).uncheck()
    told.get_by_text(f"{len(jsonl_bytes(100)) / 1000:.1f} kB to download for the split test").wait_for()
    page.get_by_label("Only the first rows of each split").fill("7")
    told.get_by_text("files come whole").wait_for()
    page.get_by_label("test", exact=True).uncheck()
    told.get_by_text("No split is chosen.").wait_for()

    page.get_by_label("test", exact=True).check()
    told.get_by_text("the split test").wait_for()
    page.get_by_role("link", name="Another one").click()
    page.get_by_role("heading", name="From the Hugging Face Hub").wait_for()
    page.go_back()
    assert not page.get_by_label("train", exact=True).is_checked()
    told.get_by_text("the split test").wait_for()


def shares_seen(page: "Page", seen: list[str]) -> list[str]:
    """The percentages that a tab has shown, without being loaded again."""
    share = page.locator("[id$=-progress] .bar strong").first
    now = share.inner_text() if share.count() else ""
    if now and now not in seen:
        seen.append(now)
    return seen


def test_the_seconds_that_the_hub_asks_to_wait_run_down_by_themselves(small_hub: Hub, open_tab: OpenTab) -> None:
    small_hub.add("lab/waits", {"waits-train.csv": b"text\nhello\n"})
    page = open_tab("/datasets/hub/")
    look_up(page, "lab/waits")
    page.get_by_role("heading", name="First rows").wait_for()
    small_hub.fault("waits-train.csv", Status(429, {"Retry-After": "6"}))

    page.get_by_role("button", name="Download and import").click()

    for seconds in (5, 3, 1):
        page.get_by_text(f"Waiting for the Hub, {seconds} s").wait_for()
    page.get_by_role("heading", name="First rows").wait_for()


def test_who_asks_while_no_worker_runs_is_told_and_answered_once_one_does(stack: Stack, open_tab: OpenTab) -> None:
    worker = stack.part("worker", "import")
    worker.suspend()
    try:
        page = open_tab("/datasets/hub/")
        look_up(page, "lab/packed")
        page.get_by_text("No worker is running that could ask.").wait_for(timeout=60_000)
    finally:
        worker.resume()

    page.get_by_role("heading", name="First rows").wait_for()


@pytest.fixture
def suspended(stack: Stack) -> Iterator[psutil.Process]:
    """The worker that would ask the Hub."""
    worker = stack.part("worker", "import")
    worker.suspend()
    yield worker
    worker.resume()


def focused(page: "Page") -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"))


def test_the_keyboard_goes_on_from_the_answer(suspended: psutil.Process, open_tab: OpenTab) -> None:
    page = open_tab("/datasets/hub/")
    look_up(page, "lab/stories")
    page.get_by_role("heading", name="Asking the Hub").wait_for()
    page.evaluate("window.isSamePage = true")
    page.locator(".crumbs").get_by_text("From the Hub").focus()

    suspended.resume()
    page.get_by_role("heading", name="First rows").wait_for()

    assert focused(page) == "lab/stories"
    assert page.locator("#announcements").inner_text() == "The Hub has answered: this is lab/stories."
    assert page.title().startswith("lab/stories")
    assert page.evaluate("window.isSamePage")
    page.keyboard.press("Tab")
    assert focused(page) == "Its page on the Hub"


def test_an_answer_leaves_the_keyboard_where_it_is_outside_of_it(suspended: psutil.Process, open_tab: OpenTab) -> None:
    page = open_tab("/datasets/hub/")
    look_up(page, "lab/stories")
    page.get_by_role("button", name="Account menu").click()
    page.locator("#account").get_by_role("link", name="Hub tokens").focus()

    suspended.resume()
    page.get_by_role("heading", name="First rows").wait_for()

    assert focused(page).strip() == "Hub tokens"
    assert page.locator("#account").is_visible()


def test_a_refusal_is_where_the_keyboard_goes_on(suspended: psutil.Process, open_tab: OpenTab) -> None:
    page = open_tab("/datasets/hub/")
    look_up(page, "lab/nothing")
    page.get_by_role("heading", name="Asking the Hub").wait_for()

    suspended.resume()
    page.get_by_role("alert").get_by_text("is not on the Hub, or it is private").wait_for()

    assert focused(page) == "lab/nothing"
    page.keyboard.press("Tab")
    assert page.get_by_label("Name or address").evaluate("field => field === document.activeElement")


def test_an_answer_of_a_tokenizer_takes_the_keyboard_along(suspended: psutil.Process, open_tab: OpenTab) -> None:
    page = open_tab("/tokenizers/hub/")
    page.get_by_label("Name or address").fill("lab/words")
    page.get_by_role("button", name="Look it up").click()
    page.get_by_role("heading", name="Asking the Hub").wait_for()

    suspended.resume()
    page.get_by_role("heading", name="Its files").wait_for()
    assert focused(page) == "lab/words"
    page.get_by_role("button", name="Add tokenizer").click()

    page.wait_for_url(re.compile(r"/tokenizers/$"))
    page.get_by_text("words is added.").wait_for()


def test_what_is_refused_says_why_and_can_be_asked_again(open_tab: OpenTab) -> None:
    page = open_tab("/datasets/hub/")

    look_up(page, "lab/gated")

    alert = page.get_by_role("alert")
    alert.get_by_text("The dataset lab/gated is gated").wait_for()
    assert alert.get_by_role("link").get_attribute("href") is not None
    look_up(page, "lab/nothing")
    alert.get_by_text("is not on the Hub, or it is private").wait_for()
    assert page.get_by_label("Name or address").input_value() == "lab/nothing"
    look_up(page, "lab/packed")
    page.get_by_role("heading", name="First rows").wait_for()
