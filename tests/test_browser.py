"""A person in front of the real stack: Chromium, the real pages, the real workers."""

import json
import os
import re
import shutil

import pytest

from tests import real
from tests.stack import running_stack, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
ROWS = 100_000


@pytest.fixture(scope="module")
def stack():
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("TOKENYARD_REQUIRE_ALL"):
            pytest.fail("Chromium is missing: install the package chromium.")
        pytest.skip("Chromium is missing: install the package chromium to run the browser tests.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture
def open_page(stack, browser):
    """A new signed-in tab; what goes wrong in its console fails the test."""
    contexts, wrong = [], []

    def make(user="admin", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(stack.manage("signin_link", user, "--url", stack.url)["link"])
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def corpus(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    stack.manage("add_tokenizer", "slow", str(real.wordpiece(folder / "wordpiece.json")))
    with (folder / "prose.jsonl").open("w") as file:
        for row, text in enumerate(real.texts(ROWS)):
            file.write(json.dumps({"number": row, "text": text}) + "\n")
    return folder / "prose.jsonl"


@pytest.fixture(scope="module")
def dataset(stack, corpus):
    return stack.manage("import_dataset", "shared-prose", str(corpus))


def start(page, stack, dataset, length):
    page.goto(f"{stack.url}/datasets/{dataset['id']}/")
    page.get_by_role("link", name="Tokenize", exact=True).first.click()
    page.locator("select[name=tokenizer]").select_option(index=slow_option(page))
    page.locator("[name=max_length]").fill(str(length))
    page.locator("[name=filter_mode][value=standard]").check()
    page.get_by_role("button", name="Start tokenization").click()
    page.wait_for_url("**/tokenizations/*/")
    job = page.url.rstrip("/").rsplit("/", 1)[1]
    page.goto(stack.url + "/")
    return page.locator(f"#dataset-{dataset['id']} #job-{job}")


def slow_option(page):
    labels = page.locator("select[name=tokenizer] option").all_inner_texts()
    return next(index for index, label in enumerate(labels) if "slow" in label)


def figure(job, name):
    """The number under a label of a job's grid; None while it is not there."""
    found = job.locator(f".progress dl.figures > div:has(> dt:text-is('{name}')) > dd")
    text = found.first.inner_text() if found.count() else ""
    digits = re.match(r"[\d,]+", text)
    return int(digits.group().replace(",", "")) if digits else None


def values_seen(job, page, name, number, seconds=40):
    """Different figures, one after the other; a picture of the page is left when they do not come."""
    seen = []

    def look():
        now = figure(job, name)
        if now is not None and now not in seen:
            seen.append(now)
        return len(seen) >= number

    wait_for(look, seconds, f"{number} values of {name}, not {seen}")
    return seen


def test_the_main_job_from_a_file_to_tokens(stack, open_page, corpus):
    page = open_page()

    page.goto(f"{stack.url}/datasets/add/")
    page.locator("input[type=file]").set_input_files(str(corpus))
    page.get_by_role("button", name="Look at the first rows").click()
    page.locator("[name=name]").fill("browser-prose")
    assert page.locator("[name=text_column]").input_value() == "text"
    page.get_by_role("button", name="Import", exact=True).click()
    made = wait_for(lambda: ready(stack, "browser-prose"), 60, "the import")

    job = start(page, stack, made, 127)
    seen = values_seen(job, page, "Processed", 3)
    page.reload()
    assert figure(job, "Processed") >= seen[-1]
    job.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()
    job.get_by_text("cancelled it").wait_for()

    job.get_by_role("button", name="Retry", exact=True).click()
    job.get_by_text(re.compile("^Finished .*ago")).wait_for(timeout=90_000)
    assert ready(stack, "browser-prose")
    assert [each["status"] for each in stack.manage("list_tokenizations") if each["dataset"] == "browser-prose"] == [
        "ready"
    ]


def ready(stack, name):
    return next((d for d in stack.manage("list_datasets") if d["name"] == name and d["status"] == "ready"), None)


def test_with_sockets_blocked_polling_takes_over(stack, open_page, dataset):
    page = open_page()
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())

    job = start(page, stack, dataset, 126)

    values_seen(job, page, "Processed", 3)
    page.locator("#live[data-status=polling]").wait_for()
    job.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()
    job.get_by_text("cancelled it").wait_for()


def test_a_cancel_in_one_tab_is_seen_in_the_other(stack, open_page, dataset):
    mine, other = open_page(), open_page()
    job = start(mine, stack, dataset, 125)
    other.goto(stack.url + "/")
    same = other.locator("#" + job.get_attribute("id"))
    values_seen(same, other, "Processed", 2)

    job.get_by_role("button", name="Cancel", exact=True).click()
    mine.get_by_role("button", name="Cancel tokenization").click()

    same.get_by_text("cancelled it").wait_for(timeout=3000)


def test_a_restarted_web_server_brings_open_tabs_back(stack, open_page, dataset):
    page = open_page()
    job = start(page, stack, dataset, 124)
    page.locator("#live[data-status=live]").wait_for()
    values_seen(job, page, "Processed", 2)

    stack.part("web").kill()

    job.get_by_text(re.compile("^Finished .*ago")).wait_for(timeout=90_000)
    page.locator("#live[data-status=live]").wait_for()


def test_a_phone_sees_the_same_card_without_scrolling_sideways(stack, open_page, dataset):
    page = open_page(viewport={"width": 360, "height": 740})
    job = start(page, stack, dataset, 123)

    values_seen(job, page, "Processed", 2)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    job.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()
    job.get_by_text("cancelled it").wait_for()


def test_cancel_works_from_the_keyboard_alone(stack, open_page, dataset):
    page = open_page()
    job = start(page, stack, dataset, 122)
    button = job.get_by_role("button", name="Cancel", exact=True)
    button.wait_for()

    for _ in range(60):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    job.get_by_text("cancelled it").wait_for()
