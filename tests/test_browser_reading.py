"""Choosing how files are read, in a browser: what is drawn again, and what is left as it was typed."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.stack, pytest.mark.browser]


def test_a_choice_draws_the_rows_and_the_button_again_and_keeps_what_was_typed(stack, open_tab, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("one|a,two\nthree|b\n")
    page = open_tab("/datasets/add/")
    page.locator(".drop input[type=file]").set_input_files(str(path))
    expect(page.get_by_text("A file cannot be read")).to_be_visible()
    page.locator("[name=name]").fill("typed")

    page.locator("[name=delimiter]").select_option("bar")
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_visible()
    page.locator("[name=header]").select_option("no")

    expect(page.locator("[name=text_column]")).to_have_value("column_1")
    expect(page.get_by_text("A file cannot be read")).to_have_count(0)
    expect(page.locator("[name=name]")).to_have_value("typed")
    expect(page.locator("#launch")).to_have_count(1)
