"""A page of the list that is not the first one follows the database as the first one does."""

import pytest

from datasets_app.listing import CARDS_A_PAGE
from tests.browser import assert_equal_to_database, counts_on, processed, state, wait_until_live

pytestmark = [pytest.mark.stack, pytest.mark.browser]

SECOND_PAGE = "/?sort=name&page=2"


def add_datasets(stack, *names):
    """As if they had been imported, all at once."""
    lines = (
        "from django.db import transaction",
        "from tests import factories",
        f"with transaction.atomic(): [factories.ready_dataset(name) for name in {names!r}]",
    )
    done = stack.command("shell", "--verbosity", "0", "--command", "\n".join(lines))
    assert done.returncode == 0, done.stderr


def names_on(page):
    return page.locator(".cards h2").all_inner_texts()


def test_the_second_page_is_reloaded_and_kept_up_to_date_like_the_first(stack, prose, boss, open_tab, tokenize):
    add_datasets(stack, *(f"before {number:02}" for number in range(CARDS_A_PAGE)))
    page = open_tab(SECOND_PAGE)
    assert names_on(page) == ["prose"]

    job = tokenize()
    wait_until_live(page)
    seen = counts_on(page, job)
    page.reload()
    assert page.url.endswith(SECOND_PAGE)
    assert names_on(page) == ["prose"]
    assert processed(page, job) >= seen[-1]
    wait_until_live(page)
    counts_on(page, job)

    add_datasets(stack, "of late")
    page.get_by_role("heading", name="of late").wait_for()
    assert names_on(page) == ["of late", "prose"]
    counts_on(page, job)

    boss.deed(job, "cancel")
    assert_equal_to_database(boss, prose["id"], page)
    assert state(page, job) == "cancelled"
