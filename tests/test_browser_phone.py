"""On a phone of 360 px every state of a job fits, on every page that shows it."""

import shutil
from pathlib import Path

import pytest

from tests import real
from tests.browser import counts_on, wait_for_state
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

PHONE = {"width": 360, "height": 740}
PATHS = ("/", "/datasets/{dataset}/", "/tokenizations/{job}/")
# What reaches over the right edge, but for what scrolls by itself or is only spoken.
OVERHANG = """() => {
  const over = (element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 0.5;
  const scrolls = (element) => element && (/auto|scroll/.test(getComputedStyle(element).overflowX)
    || scrolls(element.parentElement));
  const found = [...document.body.querySelectorAll("*")].filter((element) => over(element) && !scrolls(element))
    .filter((element) => !element.closest(".spoken, .icon, [popover]"))
    .map((element) => `${element.localName}.${element.className} ${element.textContent.trim().slice(0, 40)}`);
  const width = document.documentElement.scrollWidth;
  return width > innerWidth ? [`the page is ${width} wide`, ...found] : found;
}"""


@pytest.fixture
def phones(open_tab):
    return [open_tab(viewport=PHONE, has_touch=True) for _ in PATHS]


@pytest.fixture
def idle_worker(stack):
    """One that takes no work: jobs stay in the queue."""
    worker = stack.part("worker", "tokenize")
    worker.suspend()
    yield worker
    worker.resume()


def look_at(phones, dataset, job, status):
    for page, path in zip(phones, PATHS, strict=True):
        page.goto(path.format(dataset=dataset["id"], job=job))
        check(page, job, status)


def check(page, job, status):
    """A finished job's page shows what came out, and no job."""
    if status != "ready" or "/tokenizations/" not in page.url:
        wait_for_state(page, job, status)
    assert page.evaluate(OVERHANG) == [], f"{status} on {page.url}"


def test_queued_and_running_and_paused_and_cancelled_fit(prose, boss, tokenize, phones, idle_worker):
    job = tokenize()
    look_at(phones, prose, job, "queued")

    idle_worker.resume()
    for page in phones:
        counts_on(page, job)
        check(page, job, "running")

    for deed, status in (("pause", "paused"), ("cancel", "cancelled")):
        boss.deed(job, deed)
        for page in phones:
            check(page, job, status)
        look_at(phones, prose, job, status)


def test_ready_fits(prose, boss, tokenize, phones):
    job = tokenize("test")
    wait_for(lambda: known(boss, prose, job)["status"] == "ready", 60, "the end")

    look_at(phones, prose, job, "ready")


def known(boss, dataset, job):
    return next(each for each in boss.progress(dataset["id"]) if each["job_id"] == job)


def test_failed_fits(stack, prose, phones, tmp_path):
    added = stack.manage("add_tokenizer", "lost-on-the-way-to-the-worker", str(real.byte_bpe(tmp_path / "lost.json")))
    shutil.rmtree(Path(added["path"]).parent)
    failed = stack.manage("tokenize", prose["name"], added["name"], fails=True)

    look_at(phones, prose, failed["id"], "failed")
