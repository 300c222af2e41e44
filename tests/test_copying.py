"""The button that copies, where a page has no clipboard: over plain http."""

import pytest

from config.settings import BASE_DIR

pytestmark = pytest.mark.browser

PAGE = """
<p id="announcements"></p>
<button data-copies="snippet"><span>Copy</span></button>
<pre id="snippet">load_from_disk()</pre>
"""


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.set_content(PAGE)
    page.add_script_tag(path=BASE_DIR / "static" / "copy.js")
    yield page
    page.close()


@pytest.mark.parametrize(("is_copied", "said"), [(True, "Copied"), (False, "Not copied")])
def test_the_button_says_what_became_of_it(page, is_copied, said):
    page.evaluate("is_copied => { document.execCommand = () => is_copied; }", is_copied)

    page.locator("button").click()

    page.wait_for_function("said => document.querySelector('button').textContent === said", arg=said)
    assert ("could not be copied" in page.locator("#announcements").inner_text()) is not is_copied
    assert page.evaluate("getSelection().toString()") == "load_from_disk()"
