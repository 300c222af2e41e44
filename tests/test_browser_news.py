"""What a person hears of the end of a job: from the browser where it may, else in the title of the tab."""

import pytest

from tests.browser import wait_for_state, wait_until_live

pytestmark = [pytest.mark.stack, pytest.mark.browser]

RECORD_NOTIFICATIONS = """
window.told = [];
window.Notification = class extends window.Notification {
  constructor(title, options) {
    super(title, options);
    window.told.push([title, options.body, options.tag]);
  }
};
"""
TOLD_OF = "job => window.told.filter(([, , tag]) => tag.startsWith(job))"
LOOK_AWAY = """isHidden => {
  Object.defineProperty(document, "hidden", {value: isHidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def wait_for_news(page):
    """What has ended before this tab was opened is told as well."""
    wait_until_live(page)
    page.locator("#news:not([data-version='0'])").wait_for(state="attached")


def test_the_browser_tells_once_that_a_job_has_ended(open_tab, tokenize):
    page = open_tab(permissions=["notifications"], prepare=lambda page: page.add_init_script(RECORD_NOTIFICATIONS))
    wait_for_news(page)
    title = page.title()

    job = tokenize("test")
    wait_for_state(page, job, "ready", seconds=60)
    page.wait_for_function(f"job => ({TOLD_OF})(job).length", arg=job)

    ((dataset, said, _),) = page.evaluate(TOLD_OF, job)
    assert (dataset, said) == ("prose", "Tokenization with slow has finished.")
    assert page.title() == title
    page.reload()
    wait_for_news(page)
    assert page.evaluate(TOLD_OF, job) == []


@pytest.mark.parametrize("look", ["come back", "click", "press a key"])
def test_without_permission_the_title_counts_until_somebody_looks(stack, open_tab, tokenize, look):
    page = open_tab()
    wait_for_news(page)
    page.keyboard.press("Shift")
    title = page.title()
    page.evaluate(LOOK_AWAY, True)

    for count in (1, 2):
        stack.manage("cancel", tokenize())
        page.wait_for_function("title => document.title === title", arg=f"({count}) {title}")

    if look == "come back":
        page.evaluate(LOOK_AWAY, False)
    elif look == "click":
        page.locator("h1").click()
    else:
        page.keyboard.press("Shift")
    assert page.title() == title


def test_what_one_has_ended_oneself_is_no_news(boss, open_tab, tokenize):
    page = open_tab()
    wait_for_news(page)
    page.keyboard.press("Shift")
    title, version = page.title(), page.locator("#news").get_attribute("data-version")

    job = tokenize()
    boss.deed(job, "cancel")
    wait_for_state(page, job, "cancelled")

    page.locator(f"#news:not([data-version='{version}'])").wait_for(state="attached")
    assert page.title() == title
