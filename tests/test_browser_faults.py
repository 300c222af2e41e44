"""Open tabs while something between them and the database breaks: each is right again, without anybody's help."""

import re

import pytest

from datasets_app.consumers import TOO_MANY_SOCKETS
from datasets_app.job_views import CONFLICT
from tests.browser import (
    assert_equal_to_database,
    counts_on,
    figures,
    panel,
    state,
    wait_for_state,
    wait_until_live,
)
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

CUTS = 3
A_DAY_AND_AN_HOUR = "25:00:00"
SEEDS = (1, 2)
MANGLED_FRAMES = 12


@pytest.fixture
def mended(proxy):
    """Between the tabs and the server, in order again when the test is over."""
    yield proxy
    proxy.mangles = proxy.refuses_sockets = proxy.refuses_all = False


def pause_and_compare(boss, dataset, job, *pages):
    boss.deed(job, "pause")
    assert_equal_to_database(boss, dataset["id"], *pages)
    assert {state(page, job) for page in pages} == {"paused"}


def test_a_killed_web_server_comes_back_under_open_tabs(stack, prose, boss, teammate, open_tab, tokenize):
    job = tokenize()
    paths = ("/", f"/datasets/{prose['id']}/", f"/tokenizations/{job}/")
    pages = [*(open_tab(path) for path in paths), open_tab("/", as_=teammate)]
    for page in pages:
        wait_until_live(page)
        counts_on(page, job, 1)

    stack.part("web").kill()
    for page in pages:
        page.locator("#live:not([data-status=live])").wait_for()
    wait_for(stack.is_healthy, 30, "the web server")

    for page in pages:
        wait_until_live(page)
        counts_on(page, job)
    pause_and_compare(boss, prose, job, *pages)


def test_without_sockets_the_page_polls_and_cancels(prose, boss, open_tab, tokenize, mended):
    mended.refuses_sockets = True
    page, other = open_tab(url=mended.url), open_tab(f"/datasets/{prose['id']}/", url=mended.url)
    job = tokenize()

    for each in (page, other):
        wait_until_live(each, "polling")
        counts_on(each, job)
    assert mended.open_sockets == 0
    page.locator(f"#job-{job}").get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()

    wait_for_state(page, job, "cancelled")
    wait_for_state(other, job, "cancelled", seconds=4)
    assert_equal_to_database(boss, prose["id"], page, other)


def test_a_tab_too_many_polls(prose, boss, open_tab, tokenize):
    def refuse_sockets(page):
        page.route_web_socket("**/ws/live/**", lambda socket: socket.close(code=TOO_MANY_SOCKETS))

    page = open_tab(prepare=refuse_sockets)
    job = tokenize()

    wait_until_live(page, "polling")
    counts_on(page, job)
    pause_and_compare(boss, prose, job, page)


def test_what_a_poll_finds_as_it_was_at_the_last_poll_is_shown_again(boss, open_tab, tokenize, mended):
    """The browser has the answer still, and the socket has shown something newer since."""
    page = open_tab(url=mended.url)
    wait_until_live(page)
    page.locator("#running-jobs").wait_for(state="detached")
    with page.expect_response("**/overview/"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    job = tokenize()
    page.locator(f"#running-{job}").wait_for(state="attached")

    mended.refuses_sockets = True
    mended.silence_sockets()
    boss.deed(job, "cancel")
    boss.post(f"/tokenizations/{job}/delete/")

    wait_until_live(page, "polling")
    page.locator("#running-jobs").wait_for(state="detached", timeout=5000)


def test_a_control_that_came_too_late_says_so_however_late_its_answer(prose, boss, open_tab, tokenize):
    page = open_tab()
    job = tokenize()
    wait_until_live(page)
    counts_on(page, job, 1)
    held = []

    def hold(route):
        held.append(route)

    page.route(f"**/jobs/{job}/cancel/", hold)
    panel(page, job).get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel tokenization").click()
    wait_for(lambda: page.evaluate("true") and held, 10, "the request")

    boss.deed(job, "cancel")
    wait_for_state(page, job, "cancelled")
    answer = held[0].fetch()
    boss.deed(job, "retry")
    wait_for_state(page, job, "running")
    held[0].fulfill(response=answer)

    page.get_by_text(re.compile(r"^You cancelled it \d+ s before your cancel\.$")).wait_for()
    assert answer.status == CONFLICT
    assert state(page, job) == "running"
    counts_on(page, job)
    pause_and_compare(boss, prose, job, page)


def test_a_socket_that_is_cut_again_and_again_comes_back(prose, boss, open_tab, tokenize, mended):
    job = tokenize()
    pages = [open_tab(path, url=mended.url) for path in ("/", f"/datasets/{prose['id']}/")]

    for _ in range(CUTS):
        for page in pages:
            wait_until_live(page)
            counts_on(page, job)
        wait_for(lambda: mended.open_sockets == len(pages), 10, "one socket a tab")
        mended.cut_sockets()
        wait_for(lambda: mended.open_sockets == 0, 5, "the end of the sockets")

    pause_and_compare(boss, prose, job, *pages)


def test_a_tab_without_a_server_ticks_on_and_says_how_old_its_figures_are(prose, boss, open_tab, tokenize, mended):
    job = tokenize()
    page = open_tab(url=mended.url)
    wait_until_live(page)
    counts_on(page, job, 1)

    mended.refuses_all = True
    mended.cut_all()
    wait_until_live(page, "reconnecting")
    elapsed = figures(page, job)["Elapsed"]
    page.locator("#live small").get_by_text(re.compile(r"^\d+ s old$")).wait_for()
    assert figures(page, job)["Elapsed"] > elapsed
    mended.refuses_all = False

    wait_until_live(page, seconds=5)
    assert page.locator("#live small").inner_text() == ""
    pause_and_compare(boss, prose, job, page)


def test_a_flushed_redis_leaves_every_tab_right(stack, prose, boss, open_tab, tokenize):
    job = tokenize()
    pages = [open_tab(path) for path in ("/", f"/datasets/{prose['id']}/", f"/tokenizations/{job}/")]
    for page in pages:
        wait_until_live(page)
        counts_on(page, job, 1)

    stack.flush_redis()

    for page in pages:
        wait_until_live(page)
        counts_on(page, job)
    pause_and_compare(boss, prose, job, *pages)


def test_a_tab_that_slept_for_a_day_shows_the_present_within_three_seconds(prose, boss, open_tab, tokenize, mended):
    page = open_tab(url=mended.url, prepare=lambda page: page.clock.install())
    job = tokenize()
    wait_until_live(page)
    counts_on(page, job, 1)

    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    mended.silence_sockets()  # they stay open, and nobody is at their other end any more
    mended.refuses_sockets = True
    boss.deed(job, "cancel")
    assert state(page, job) == "running"
    mended.refuses_sockets = False
    page.clock.fast_forward(A_DAY_AND_AN_HOUR)
    page.clock.resume()

    assert_equal_to_database(boss, prose["id"], page)
    assert state(page, job) == "cancelled"
    wait_until_live(page)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_the_frames_lost_doubled_or_late_make_no_tab_wrong(
    prose, boss, teammate, open_tab, tokenize, mended, seed
):
    mended.random.seed(seed)
    mended.mangles = True
    job = tokenize()
    paths = ("/", f"/datasets/{prose['id']}/", f"/tokenizations/{job}/")
    pages = [open_tab(path, url=mended.url) for path in paths]
    pages.append(open_tab("/?q=prose", as_=teammate, url=mended.url))
    mended.frames = mended.harmed = 0

    wait_for(lambda: mended.frames >= MANGLED_FRAMES * len(pages), 60, "enough frames")

    assert mended.frames // 2 - len(pages) <= mended.harmed <= mended.frames // 2 + len(pages)
    pause_and_compare(boss, prose, job, *pages)
