"""What a hand, an eye and an ear have on a page survives its live updates."""

import re

import pytest

from tests.browser import counts_on, panel, state, wait_for_state, wait_until_live
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

UPDATES = 20
SLOW_CLICK_MS = 600
PRESSES = 80
PIXEL = 0.5
# Every version of the figures that the page has shown, and where each of their cells and buttons was then.
RECORD_PLACES = """(job) => {
  const panel = () => document.getElementById(`job-${job}`);
  const name = (element) => element.matches("button") ? element.textContent : element.querySelector("dt").textContent;
  window.places = {};
  window.shown = new Set();
  const look = () => {
    const figures = document.getElementById(`job-${job}-progress`);
    if (!figures) return;
    const around = panel().getBoundingClientRect();
    for (const element of panel().querySelectorAll("dl > div, .controls button:not([popover] *), .bar > *, .bar")) {
      const box = element.getBoundingClientRect();
      const key = element.matches("button, dl > div") ? name(element).trim() : element.localName;
      const place = [box.x - around.x, box.y - around.y, box.width, box.height].map(Math.round).join(" ");
      (window.places[key] ??= new Set()).add(place);
    }
    (window.places.panel ??= new Set()).add([around.width, around.height].map(Math.round).join(" "));
    window.shown.add(figures.dataset.version);
  };
  look();
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true});
}"""
MOVED = """() => Object.entries(window.places).filter(([, places]) => places.size > 1)
  .map(([name, places]) => `${name}: ${[...places].join(", ")}`)"""
RECORD_ANNOUNCEMENTS = """() => {
  window.heard = [];
  window.ticks = 0;
  const line = document.getElementById("announcements");
  const listen = () => line.textContent.trim() && window.heard.push(line.textContent.trim());
  new MutationObserver(listen).observe(line, {childList: true, characterData: true, subtree: true});
  const isFigures = (node) => node.id?.endsWith("-progress") || node.querySelector?.("[id$='-progress']");
  new MutationObserver((changes) => {
    window.ticks += changes.flatMap((change) => [...change.addedNodes]).filter(isFigures).length;
  }).observe(document.getElementById("main"), {childList: true, subtree: true});
}"""
FOCUSED = "() => (document.activeElement.textContent.trim() || document.activeElement.name).slice(0, 80)"
IS_RINGED = """() => {
  const style = getComputedStyle(document.activeElement);
  return document.activeElement.matches(":focus-visible") && parseFloat(style.outlineWidth) > 0
    && style.outlineStyle !== "none";
}"""


@pytest.fixture
def pair(prose, open_tab, tokenize):
    """A tab on the list, and two jobs on its one card; the second waits for its turn or works."""
    page = open_tab()
    first, second = tokenize(), tokenize()
    wait_until_live(page)
    counts_on(page, first)
    panel(page, second).wait_for()
    return page, first, second


def cancel_button(page, job):
    return panel(page, job).get_by_role("button", name="Cancel", exact=True)


def change_the_other(boss, page, job):
    """The card gets a new frame and new buttons while somebody is at one of its jobs."""
    for deed, then in (("pause", "paused"), ("resume", "queued")):
        boss.deed(job, deed)
        wait_for(lambda then=then: state(page, job) in (then, "running" if then == "queued" else then), 5, then)


def test_an_open_cancel_question_stays_open_and_keeps_the_focus(boss, pair):
    page, job, other = pair
    cancel_button(page, job).click()
    question = page.locator(f"#cancel-{job}")
    question.get_by_role("button", name="Cancel tokenization").focus()

    counts_on(page, job)
    change_the_other(boss, page, other)
    counts_on(page, job)

    assert question.evaluate("element => element.matches(':popover-open')")
    assert page.evaluate(FOCUSED) == "Cancel tokenization"
    page.keyboard.press("Enter")
    wait_for_state(page, job, "cancelled")


def test_the_account_menu_stays_open_and_keeps_the_focus(boss, pair):
    page, job, other = pair
    page.get_by_role("button", name=re.compile("^Account menu")).click()
    page.locator("#account").get_by_role("button", name="Sign out").focus()

    counts_on(page, job)
    change_the_other(boss, page, other)
    counts_on(page, job)

    assert page.locator("#account").evaluate("element => element.matches(':popover-open')")
    assert page.evaluate(FOCUSED) == "Sign out"


def test_a_slow_click_works_while_everything_around_it_changes(boss, pair):
    page, job, other = pair
    box = panel(page, job).get_by_role("button", name="Pause").bounding_box()

    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    boss.deed(other, "pause")
    page.wait_for_timeout(SLOW_CLICK_MS)
    page.mouse.up()

    for each in (job, other):
        wait_for_state(page, each, "paused", seconds=5)


def test_a_pointer_over_a_button_stays_over_it(boss, pair):
    page, job, other = pair
    cancel_button(page, job).hover()

    change_the_other(boss, page, other)
    counts_on(page, job)

    assert cancel_button(page, job).evaluate("element => element.matches(':hover')")


def test_nothing_jumps_while_the_figures_change(prose, open_tab, tokenize):
    job = tokenize()
    pages = [open_tab(path) for path in ("/", f"/datasets/{prose['id']}/", f"/tokenizations/{job}/")]
    for page in pages:
        wait_for_state(page, job, "running")
        page.evaluate(RECORD_PLACES, job)

    for page in pages:
        wait_for(lambda page=page: page.evaluate("window.shown.size") > UPDATES, 60, "enough updates")
        assert page.evaluate(MOVED) == [], page.url


def test_a_reader_hears_stages_and_ends_and_not_every_tick(prose, open_tab, tokenize):
    page = open_tab()
    wait_until_live(page)
    page.evaluate(RECORD_ANNOUNCEMENTS)

    job = tokenize("test")
    wait_for_state(page, job, "ready", seconds=60)
    page.wait_for_function("window.heard.some((text) => /finished|ready/i.test(text))")

    heard, ticks = page.evaluate("[window.heard, window.ticks]")
    assert any("Tokenizing" in text for text in heard), heard
    assert heard == [text for text, before in zip(heard, [None, *heard], strict=False) if text != before]
    assert len(heard) < ticks, heard
    assert not any(re.search(r"\d%|\d,\d{3}", text) for text in heard), heard


def test_a_keyboard_is_enough_to_start_pause_resume_and_cancel(prose, open_tab, tokenize):
    tokenize_link = f"/datasets/{prose['id']}/tokenize/"
    page = open_tab(f"/datasets/{prose['id']}/")

    tab_to(page, lambda: page.evaluate("document.activeElement.getAttribute('href')") == tokenize_link)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{tokenize_link}")
    tab_to(page, lambda: page.evaluate("document.activeElement.name") == "max_length")
    page.keyboard.type("111")
    tab_to(page, lambda: page.evaluate(FOCUSED) == "Start tokenization")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tokenizations/*/")
    job = page.url.rstrip("/").rsplit("/", 1)[1]
    counts_on(page, job, 1)

    for word, then in (("Pause", "paused"), ("Resume", "running")):
        tab_to(page, lambda word=word: page.evaluate(FOCUSED) == word)
        if word == "Pause":
            counts_on(page, job)
            assert page.evaluate(FOCUSED) == word
        page.keyboard.press("Enter")
        wait_for_state(page, job, then)
        assert panel(page, job).evaluate("panel => panel.contains(document.activeElement)"), page.evaluate(FOCUSED)
    tab_to(page, lambda: page.evaluate(FOCUSED) == "Cancel")
    page.keyboard.press("Enter")
    tab_to(page, lambda: page.evaluate(FOCUSED) == "Cancel tokenization")
    page.keyboard.press("Enter")
    wait_for_state(page, job, "cancelled")


def tab_to(page, is_there):
    """Wherever the focus is on its way, it can be seen."""
    for _ in range(PRESSES):
        if is_there():
            assert page.evaluate(IS_RINGED), page.evaluate(FOCUSED)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"not reached with {PRESSES} presses of Tab; the focus is on {page.evaluate(FOCUSED)}")
