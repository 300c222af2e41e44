"""Uploads in a browser: a folder, a lost connection, a server that is killed, a page that is loaded again."""

import os
import re
import shutil

import pytest

from tests.proxy import proxy_before
from tests.stack import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.browser]

MEGABYTES = 30
BYTES_A_SECOND = 12 * 10**6
ROW = b"the quick brown fox jumps over the lazy dog and then it goes on and on\n"
ADD = "/datasets/add/"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_bytes(ROW * (MEGABYTES * 10**6 // len(ROW)))
    return path


@pytest.fixture
def slow(stack):
    """A way to the server that is slow enough to be cut in the middle."""
    with proxy_before(stack.port) as between:
        between.bytes_a_second = BYTES_A_SECOND
        yield between


def percent(page):
    words = page.locator("[data-part=percent]").text_content(timeout=5000) or ""
    return float(words.rstrip("%"))


def choose(page, *files):
    page.locator("input[name=files]").set_input_files([str(file) for file in files])


def wait_for_percent(page, least):
    wait_for(lambda: percent(page) >= least, 30, f"{least} %")


def wait_for_rows(page, words="the quick brown fox"):
    page.wait_for_url(re.compile(r"/datasets/add/[0-9a-f-]{36}/"))
    page.get_by_role("heading", name="First rows", exact=True).wait_for()
    assert words in page.locator("#previews").inner_text()


def stored(stack):
    """The sizes of the files of all uploads, as they lie on the disk."""
    return sorted(path.stat().st_size for path in (stack.var / "storage" / "uploads").glob("*/*"))


def test_a_cut_connection_is_taken_up_again_where_it_was(stack, open_tab, slow, large):
    page = open_tab(ADD, url=slow.url)
    choose(page, large)
    wait_for_percent(page, 10)

    slow.refuses_all = True
    slow.cut_all()
    note = page.locator("[data-part=note]")
    note.get_by_text("Connection lost.").wait_for()
    note.get_by_text(re.compile(r"Trying again in \d s")).wait_for()
    before = percent(page)
    slow.refuses_all = False
    wait_for_percent(page, before + 5)
    wait_for_percent(page, before + 10)

    wait_for_rows(page)
    assert before > 5
    assert large.stat().st_size in stored(stack)


def test_a_server_that_is_killed_goes_on_with_the_upload(stack, open_tab, slow, large, tmp_path):
    other = tmp_path / "again.txt"
    other.write_bytes(large.read_bytes())
    page = open_tab(ADD, url=slow.url)
    choose(page, other)
    wait_for_percent(page, 20)

    stack.part("web").kill()

    wait_for_rows(page)


def test_after_a_reload_the_same_files_go_on(stack, open_tab, slow, large, tmp_path):
    other = tmp_path / "later.txt"
    other.write_bytes(large.read_bytes())
    page = open_tab(ADD, url=slow.url)
    choose(page, other)
    wait_for_percent(page, 40)
    page.goto(slow.url + ADD)
    page.get_by_text("Choose the same files to go on.").wait_for()

    choose(page, other)
    page.locator("[data-part=says]").get_by_text("Sending later.txt").wait_for()

    assert percent(page) > 20
    wait_for_rows(page)


def test_who_is_signed_out_goes_on_after_signing_in(open_tab, slow, large, tmp_path):
    other = tmp_path / "signed-out.txt"
    other.write_bytes(large.read_bytes())
    page = open_tab(ADD, url=slow.url)
    cookies = page.context.cookies()
    choose(page, other)
    wait_for_percent(page, 20)

    page.context.clear_cookies(name="tokenyard_session")
    page.locator("[data-part=note]").get_by_text("You are signed out.").wait_for()
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Try again").click()

    wait_for_rows(page)


def test_a_folder_is_sent_without_what_cannot_be_read(open_tab, tmp_path):
    for name, content in (("a-train.csv", b"text\nfirst\n"), ("in/b-test.csv", b"text\nsecond\n"), ("README.md", b"x")):
        path = tmp_path / "fox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    page = open_tab(ADD)

    page.locator("input[webkitdirectory]").set_input_files(str(tmp_path / "fox"))

    wait_for_rows(page, "second")
    assert page.get_by_role("heading", name="fox/in/b-test.csv").is_visible()
    assert "Left out, as it is hidden, empty or of another kind: fox/README.md." in page.locator("main").inner_text()


def test_cancel_removes_what_was_sent(stack, open_tab, slow, large, tmp_path):
    other = tmp_path / "cancelled.txt"
    other.write_bytes(large.read_bytes())
    before = stored(stack)
    page = open_tab(ADD, url=slow.url)
    choose(page, other)
    wait_for_percent(page, 10)

    page.get_by_role("button", name="Cancel upload").click()

    page.get_by_text("Choose files").wait_for()
    wait_for(lambda: stored(stack) == before, 10, "an end of the files")


def test_what_cannot_be_taken_is_told_at_once(open_tab, tmp_path):
    wrong = tmp_path / "a.docx"
    wrong.write_bytes(os.urandom(10))
    page = open_tab(ADD)

    choose(page, wrong)

    page.get_by_role("alert").get_by_text("a.docx has the extension .docx, which cannot be read.").wait_for()
    assert page.get_by_text("Choose files").is_visible()


def test_files_that_are_dropped_are_sent(open_tab):
    page = open_tab(ADD)
    dropped = page.evaluate_handle("""() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["text\\ndropped fox\\n"], "a.csv"));
      return transfer;
    }""")

    page.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})

    wait_for_rows(page, "dropped fox")


def drop(page, *paths):
    """Files and folders, as a file manager would hand them to the browser."""
    target = page.locator(".drop")
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **where, "data": data})


def choose_folder(page, path):
    page.locator("input[webkitdirectory]").set_input_files(str(path))


def test_a_folder_that_is_dropped_is_sent_with_all_that_is_in_it(open_tab, tmp_path):
    for name in ("a-train.csv", "in/deep/b-test.csv", "in/.hidden.csv", "README.md"):
        path = tmp_path / "fox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text\nfrom {path.name}\n")
    (tmp_path / "fox" / "nothing").mkdir()
    (tmp_path / "beside.csv").write_text("text\nbeside the folder\n")
    page = open_tab(ADD)

    drop(page, tmp_path / "fox", tmp_path / "beside.csv")

    wait_for_rows(page, "from b-test.csv")
    said = page.locator("main").inner_text()
    assert previewed(page) == ["beside.csv", "fox/a-train.csv", "fox/in/deep/b-test.csv"]
    assert "Left out, as it is hidden, empty or of another kind: fox/README.md, fox/in/.hidden.csv." in said


def previewed(page):
    return page.locator("#previews h2").all_inner_texts()


@pytest.mark.parametrize("give", [drop, choose_folder])
def test_the_files_of_a_folder_come_in_the_order_of_their_names(open_tab, tmp_path, give):
    (tmp_path / "many").mkdir()
    for number in (*range(120, 60, -1), *range(61)):  # a browser reads a hundred of them at a time
        (tmp_path / "many" / f"{number:03}.txt").write_text(f"fox {number}\n")
    page = open_tab(ADD)

    give(page, tmp_path / "many")

    wait_for_rows(page, "fox 0")
    assert "121 files" in page.locator("main").inner_text()
    assert previewed(page)[:6] == [f"many/{number:03}.txt" for number in range(6)]


@pytest.mark.parametrize("give", [drop, choose_folder])
def test_an_empty_folder_is_told(open_tab, tmp_path, give):
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    page = open_tab(ADD)

    give(page, tmp_path / "empty")

    page.get_by_role("alert").get_by_text("There is no file in this folder.").wait_for()
    assert page.get_by_text("Choose files").is_visible()


def test_a_folder_that_goes_while_it_is_read_is_told(open_tab, tmp_path):
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "a.csv").write_text("text\nfirst\n")
    page = open_tab(ADD)
    page.route("**/taken-away", lambda route: (shutil.rmtree(tmp_path / "fox"), route.fulfill(body="")))
    page.evaluate("""() => {
      const { webkitGetAsEntry } = DataTransferItem.prototype;
      DataTransferItem.prototype.webkitGetAsEntry = function () {
        const entry = webkitGetAsEntry.call(this);
        const request = new XMLHttpRequest();
        request.open("GET", "/taken-away", false);
        request.send();
        return entry;
      };
    }""")

    drop(page, tmp_path / "fox")

    page.get_by_role("alert").get_by_text("This cannot be read.").wait_for()
    assert page.get_by_text("Choose files").is_visible()


def test_without_scripts_the_form_brings_the_files(stack, open_tab, large, tmp_path):
    (tmp_path / "small.csv").write_text("text\nthe small one\n")
    page = open_tab(ADD, java_script_enabled=False)
    choose(page, large, tmp_path / "small.csv")

    page.get_by_role("button", name="Look at the first rows").click()

    wait_for_rows(page)
    assert "the small one" in page.locator("#previews").inner_text()
    assert large.stat().st_size in stored(stack)
