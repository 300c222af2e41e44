"""Hub tokens in a real browser: the page is never left, and nothing typed stays in it."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.stack]

PAGE = "/account/tokens/"
PHONE = {"width": 360, "height": 740}
TOKEN = "hf_" + "Typed42" * 5


def add(page, name, value, note):
    page.locator("[name=name]").fill(name)
    page.locator("[name=value]").fill(value)
    page.get_by_role("button", name="Add token").click()
    page.get_by_text(note).wait_for()
    assert page.locator("[name=value]").input_value() == ""
    assert TOKEN not in page.content()


def test_tokens_are_added_and_deleted_without_leaving_the_page(open_tab):
    page = open_tab("/")
    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("link", name="Hub tokens").click()
    page.evaluate("window.stayed = true")

    add(page, "gated", TOKEN, "gated is added.")
    add(page, "gated", "hf_half", "There is already a token named gated.")
    page.get_by_role("button", name="Delete gated").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete gated").click()
    page.get_by_role("button", name="Delete token").click()
    page.get_by_text("gated is deleted.").wait_for()

    assert page.get_by_role("rowheader", name="gated").count() == 0
    assert page.evaluate("window.stayed")
    assert page.url.endswith(PAGE)


def test_a_token_that_was_deleted_in_another_tab_is_told(open_tab):
    first = open_tab(PAGE)
    add(first, "shared", TOKEN, "shared is added.")
    second = open_tab(PAGE)
    for tab, said in ((first, "shared is deleted."), (second, "This token is not there any more.")):
        tab.get_by_role("button", name="Delete shared").click()
        tab.get_by_role("button", name="Delete token").click()
        tab.get_by_text(said).wait_for()

    assert second.get_by_role("rowheader", name="shared").count() == 0


def test_the_page_fits_a_phone_and_works_without_scripts(open_tab):
    page = open_tab(PAGE, viewport=PHONE, java_script_enabled=False)

    add(page, "a rather long name for a token of one download", TOKEN, "of one download is added.")

    assert page.locator("html").evaluate("html => html.scrollWidth") <= PHONE["width"]
    assert page.get_by_text(f"…{TOKEN[-4:]}").is_visible()
