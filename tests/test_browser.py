"""A person in front of the real stack: the main job, and what others see of it."""

import json
import re

import pytest

from tests import real
from tests.browser import (
    assert_equal_to_database,
    counts_on,
    figures,
    number,
    panel,
    processed,
    state,
    wait_for_state,
    wait_until_live,
)
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

ROWS = 20_000
SEEN_SECONDS = 1.0
# Both pages are of one machine, so that their clocks are one.
WATCH = """([job, status]) => {
  const look = () => {
    if (window.seenAt || document.getElementById(`job-${job}`)?.dataset.status !== status) return;
    window.seenAt = performance.timeOrigin + performance.now();
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
  document.addEventListener("click", () => window.clickedAt = performance.timeOrigin + performance.now(), true);
}"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "prose.jsonl"
    with path.open("w") as file:
        for row, text in enumerate(real.texts(ROWS)):
            file.write(json.dumps({"number": row, "text": text}) + "\n")
    return path


def start(page, dataset, length):
    page.goto(f"/datasets/{dataset['id']}/")
    page.get_by_role("link", name="Tokenize", exact=True).first.click()
    page.locator("select[name=tokenizer]").select_option(label=option(page, "slow"))
    page.locator("[name=max_length]").fill(str(length))
    page.locator("[name=filter_mode][value=standard]").check()
    page.get_by_role("button", name="Start tokenization").click()
    page.wait_for_url("**/tokenizations/*/")
    job = page.url.rstrip("/").rsplit("/", 1)[1]
    page.goto("/")
    return job


def option(page, name):
    labels = page.locator("select[name=tokenizer] option").all_inner_texts()
    return next(label for label in labels if name in label)


def cancel(page, job):
    panel(page, job).get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()


def test_the_main_job_from_a_file_to_tokens(stack, prose, boss, open_tab, corpus):
    page = open_tab("/datasets/add/")

    page.locator(".drop input[type=file]").set_input_files(str(corpus))
    page.locator("[name=name]").fill("browser-prose")
    assert page.locator("[name=text_column]").input_value() == "text"
    page.get_by_role("button", name="Import", exact=True).click()
    made = wait_for(lambda: ready(stack, "browser-prose"), 60, "the import")

    job = start(page, made, 127)
    counts_on(page, job, 3)
    cancel(page, job)
    panel(page, job).get_by_text("cancelled it").wait_for()

    panel(page, job).get_by_role("button", name="Retry", exact=True).click()
    wait_for_state(page, job, "ready", seconds=90)
    assert_equal_to_database(boss, made["id"], page)
    (done,) = [each for each in stack.manage("list_tokenizations") if each["dataset"] == "browser-prose"]
    assert done["status"] == "ready"
    assert done["rows"]["processed"] == ROWS


def ready(stack, name):
    return next((d for d in stack.manage("list_datasets") if d["name"] == name and d["status"] == "ready"), None)


def test_a_reload_in_the_middle_shows_no_less_than_before(prose, open_tab, tokenize):
    page = open_tab()
    job = tokenize()
    seen = counts_on(page, job, 2)

    page.reload()

    assert processed(page, job) >= seen[-1]
    wait_until_live(page)
    assert counts_on(page, job, 2)[0] >= seen[-1]


def test_a_cancel_in_one_tab_is_seen_in_the_other_within_a_second(prose, boss, open_tab, tokenize):
    mine, other = open_tab(), open_tab(f"/datasets/{prose['id']}/")
    job = tokenize()
    for page in (mine, other):
        wait_until_live(page)
        counts_on(page, job)
        page.evaluate(WATCH, [job, "cancelled"])

    cancel(mine, job)

    for page in (mine, other):
        wait_for_state(page, job, "cancelled", seconds=5)
    assert (other.evaluate("window.seenAt") - mine.evaluate("window.clickedAt")) / 1000 < SEEN_SECONDS
    assert_equal_to_database(boss, prose["id"], mine, other)


def test_two_tabs_and_two_people_see_the_same_figures_and_only_the_owner_may_cancel(
    prose, boss, teammate, open_tab, tokenize
):
    mine, second = open_tab(), open_tab(f"/datasets/{prose['id']}/")
    theirs = open_tab(as_=teammate)
    job = tokenize("test")
    pages = (mine, second, theirs)

    for page in pages:
        counts_on(page, job, 1)
    assert [buttons(page, job) for page in pages] == [["Pause", "Cancel"], ["Pause", "Cancel"], []]
    boss.deed(job, "pause")
    assert_equal_to_database(boss, prose["id"], *pages)
    assert len({(state(page, job), tuple(sorted(counts(page, job).items()))) for page in pages}) == 1
    boss.deed(job, "resume")

    for page in pages:
        wait_for_state(page, job, "ready", seconds=60)
    assert_equal_to_database(boss, prose["id"], *pages)


def buttons(page, job):
    """Of those that are about the job itself, which are to be seen."""
    found = panel(page, job).get_by_role("button", name=re.compile("^(Pause|Resume|Retry|Cancel)$")).all_inner_texts()
    return [text.strip() for text in found]


def counts(page, job):
    return {label: number(figures(page, job).get(label)) for label in ("Processed", "Kept", "Filtered")}
