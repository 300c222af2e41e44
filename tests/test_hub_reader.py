import os
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from itertools import pairwise

import pytest

from datasets_app.errors import JobError
from datasets_app.ingest.hub import part_file, refusals
from datasets_app.ingest.hub.connection import Clock
from datasets_app.ingest.hub.reader import Downloaded, Received, download
from datasets_app.ingest.hub.remote import HubAccess
from datasets_app.ingest.hub.waiting import TRIES, Waiting
from tests.hub import Cut, Html, Slow, Status, Unlike
from tests.hub.fixtures import CANARY, access_to, remote_file

CONTENT = os.urandom(300_000)
NAME, PATH = "lab/stories", "data/train.jsonl"


@pytest.fixture
def stories(hub):
    hub.add(NAME, {PATH: CONTENT, "small.csv": b"text\nhello\n", "empty.csv": b""})
    return hub


def fetch(hub, target, hourglass, *, path=PATH, access=None, **changes):
    return list(download(remote_file(hub, NAME, path, **changes), target, access or access_to(hub), hourglass.clock))


def ranges(hub, path=PATH):
    return [asked.range for asked in hub.asked_for(path)]


def assert_nothing_is_left(folder):
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("path", "content"), [(PATH, CONTENT), ("small.csv", b"text\nhello\n"), ("empty.csv", b"")])
def test_a_file_arrives_as_it_is(stories, tmp_path, hourglass, path, content):
    done = fetch(stories, tmp_path / "a", hourglass, path=path)[-1]

    assert (tmp_path / "a").read_bytes() == content
    assert done.bytes == len(content)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_it_tells_how_far_it_is_while_the_body_comes_slowly(stories, tmp_path):
    stories.fault(PATH, Slow(0.02, 10_000))

    messages = list(download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories)))

    received = [message.bytes for message in messages if isinstance(message, Received) and not message.was_there]
    assert received == sorted(received)
    assert 0 < received[0] < len(CONTENT)
    assert isinstance(messages[-1], Downloaded)


def test_what_is_on_disk_already_is_not_asked_for_again(stories, tmp_path, hourglass):
    stories.fault(PATH, Cut(100_000))
    steps = download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories), hourglass.clock)
    next(step for step in steps if isinstance(step, Waiting))
    steps.close()

    fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert ranges(stories) == [None, "bytes=100000-"]
    assert stories.log[-1].headers["if-range"] == f'"{remote_file(stories, NAME, PATH).sha256}"'


def test_a_file_that_was_finished_when_the_process_died_is_checked_and_kept(stories, tmp_path, hourglass):
    fetch(stories, tmp_path / "a", hourglass)

    fetch(stories, tmp_path / "a", hourglass)

    assert ranges(stories) == [None]


def test_bytes_of_another_content_are_thrown_away(stories, tmp_path, hourglass):
    stories.fault(PATH, Cut(100_000))
    steps = download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories), hourglass.clock)
    next(step for step in steps if isinstance(step, Waiting))
    steps.close()
    other = bytes(reversed(CONTENT))
    stories.repositories["dataset", NAME].commit({PATH: other})

    fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == other
    assert ranges(stories)[1] == "bytes=100000-"


def test_a_cut_connection_goes_on_where_it_was_cut(stories, tmp_path, hourglass):
    for _ in range(7):
        stories.fault(PATH, Cut(40_000))

    messages = fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert ranges(stories)[-1] == "bytes=280000-"
    assert {message.why for message in messages if isinstance(message, Waiting)} == {"the connection was cut"}
    # Each try brought something: none of the waits is longer than the first.
    assert max(message.seconds for message in messages if isinstance(message, Waiting)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_an_error_of_the_server_is_tried_again_with_growing_waits(stories, tmp_path, hourglass, status):
    stories.fault(PATH, Status(status), times=TRIES - 1)

    messages = fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT
    waits = [message.seconds for message in messages if isinstance(message, Waiting)]
    assert {1, 4, 10, 25} <= set(waits)
    assert max(hourglass.slept) <= 0.5


def test_five_tries_without_a_byte_end_it_and_the_next_call_goes_on(stories, tmp_path, hourglass):
    stories.fault(PATH, Cut(50_000))
    stories.fault(PATH, Status(503), times=TRIES - 1)

    with pytest.raises(refusals.HubUnreachable, match="tried 5 times in vain: the Hub answers with error 503"):
        fetch(stories, tmp_path / "a", hourglass)
    fetch(stories, tmp_path / "a", hourglass)

    assert ranges(stories)[-1] == "bytes=50000-"
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("said", ["42", formatdate(1_800_000_042, usegmt=True)])
def test_the_hub_says_how_long_to_wait_and_the_page_can_tell(stories, tmp_path, hourglass, said):
    stories.fault(PATH, Status(429, {"Retry-After": said}))

    messages = fetch(stories, tmp_path / "a", hourglass)

    waits = [message for message in messages if isinstance(message, Waiting)]
    assert waits[0] == Waiting(42, "the Hub asks to wait")
    assert waits[-1].seconds == 1
    assert all(0 <= before.seconds - after.seconds <= 1 for before, after in pairwise(waits))
    assert sum(hourglass.slept) == 42


def test_the_hubs_own_header_is_obeyed_too(stories, tmp_path, hourglass):
    stories.fault(PATH, Status(429, {"RateLimit": '"resolvers";r=0;t=17'}))

    fetch(stories, tmp_path / "a", hourglass)

    assert sum(hourglass.slept) == 17


def test_a_wait_of_many_hours_is_not_sat_out(stories, tmp_path, hourglass):
    stories.fault(PATH, Status(429, {"Retry-After": "86400"}))

    with pytest.raises(JobError, match="too many requests") as refused:
        fetch(stories, tmp_path / "a", hourglass)

    assert (refused.value.kind, refused.value.advice) == ("rate_limited", "Try again in 24 hours.")
    assert hourglass.slept == []


def test_who_waits_in_front_of_a_page_is_told_sooner(stories, tmp_path, hourglass):
    stories.fault(PATH, Status(429, {"Retry-After": "300"}))
    file, access = remote_file(stories, NAME, PATH), access_to(stories)

    with pytest.raises(JobError, match="too many requests") as refused:
        list(download(file, tmp_path / "a", access, hourglass.clock, longest_wait=30))

    assert refused.value.advice == "Try again in 5 minutes."


def test_real_seconds_are_waited(stories, tmp_path):
    stories.fault(PATH, Status(429, {"Retry-After": "1"}))
    clock = Clock()
    start = clock.monotonic()

    list(download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories)))

    assert clock.monotonic() - start >= 1


def test_a_wrong_checksum_is_tried_once_more(stories, tmp_path, hourglass):
    stories.fault(PATH, Unlike())

    fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert ranges(stories) == [None, None]


@pytest.mark.parametrize("path", [PATH, "small.csv"])
@pytest.mark.parametrize("content", [None, b"too short", b"too long " * 100_000])
def test_a_content_that_stays_wrong_names_the_file_and_leaves_nothing(stories, tmp_path, hourglass, path, content):
    stories.fault(path, Unlike(content), times=2)

    with pytest.raises(JobError, match=f"^{path} arrives damaged") as refused:
        fetch(stories, tmp_path / "a", hourglass, path=path)

    assert refused.value.advice
    assert len(ranges(stories, path)) == 2
    assert_nothing_is_left(tmp_path)


def test_damaged_bytes_on_disk_are_fetched_again(stories, tmp_path, hourglass):
    stories.fault(PATH, Cut(100_000))
    steps = download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories), hourglass.clock)
    next(step for step in steps if isinstance(step, Waiting))
    steps.close()
    (tmp_path / "a.part").write_bytes(bytes(100_000))

    fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(stories, tmp_path, hourglass):
    (tmp_path / "a.part").write_bytes(bytes(len(CONTENT) + 1))
    (tmp_path / "a.part.etag").write_text('{"hub": "x"}')

    fetch(stories, tmp_path / "a", hourglass)

    assert (tmp_path / "a").read_bytes() == CONTENT


def test_without_a_checksum_of_the_look_up_the_etag_is_checked(stories, tmp_path, hourglass):
    stories.fault(PATH, Unlike(), times=2)

    with pytest.raises(JobError, match="arrives damaged"):
        fetch(stories, tmp_path / "a", hourglass, sha256="")


def test_a_web_page_instead_of_data_is_told(stories, tmp_path, hourglass):
    stories.fault(PATH, Html())

    with pytest.raises(JobError, match=f"sends a web page instead of {PATH}") as refused:
        fetch(stories, tmp_path / "a", hourglass)

    assert "proxy" in refused.value.advice
    assert_nothing_is_left(tmp_path)


def test_a_web_page_that_claims_to_be_data_is_told_too(stories, tmp_path, hourglass):
    stories.fault(PATH, Unlike(b"<!DOCTYPE html><title>x</title>"))

    with pytest.raises(JobError, match="sends a web page"):
        fetch(stories, tmp_path / "a", hourglass)


def test_data_that_begins_as_a_web_page_does_is_data(hub, tmp_path, hourglass):
    hub.add(NAME, {PATH: b"<html><p>One page to a line</html>\n" * 9000})

    fetch(hub, tmp_path / "a", hourglass)

    assert (tmp_path / "a").exists()


def test_a_hub_that_is_down_is_unreachable_after_five_tries(stories, tmp_path, hourglass):
    file = remote_file(stories, NAME, PATH)

    with pytest.raises(refusals.HubUnreachable, match="the Hub cannot be reached") as refused:
        list(download(file, tmp_path / "a", HubAccess("http://127.0.0.1:9"), hourglass.clock))

    assert "HF_ENDPOINT" in refused.value.advice
    assert sum(hourglass.slept) == 1 + 4 + 10 + 25


def test_a_full_disk_is_explained(stories, tmp_path, hourglass):
    (tmp_path / "a.part").symlink_to("/dev/full")

    with pytest.raises(JobError, match="The disk is full"):
        fetch(stories, tmp_path / "a", hourglass)


@pytest.mark.parametrize(
    ("facts", "token", "error"),
    [
        ({"private": True}, None, refusals.NotFoundOrPrivate),
        ({"private": True}, CANARY, refusals.NotFoundOrPrivate),
        ({"gated": "auto"}, None, refusals.TokenNeeded),
        ({"gated": "manual"}, CANARY, refusals.ConsentMissing),
        ({}, "hf_expired", refusals.TokenInvalid),
        ({"private": True}, "hf_expired", refusals.TokenInvalid),
    ],
)
def test_a_refused_download_says_why_and_is_not_tried_again(hub, tmp_path, hourglass, facts, token, error):
    hub.add(NAME, {PATH: CONTENT}, **facts)
    hub.add_token(CANARY)

    with pytest.raises(error) as refused:
        fetch(hub, tmp_path / "a", hourglass, access=access_to(hub, token))

    assert hourglass.slept == []
    assert CANARY not in f"{refused.value} {refused.value.advice}"


def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(stories, tmp_path, hourglass):
    with pytest.raises(refusals.TokenInvalid) as refused:
        fetch(stories, tmp_path / "a", hourglass, access=access_to(stories, f"{CANARY}\r\nX: y"))

    assert CANARY not in f"{refused.value!r} {refused.value.advice}"
    assert stories.log == []


def test_a_file_with_an_odd_name_is_asked_for_by_it(hub, tmp_path, hourglass):
    path = "data/50% of #1 & 100?.csv"
    hub.add(NAME, {path: b"text\nhello\n"})

    fetch(hub, tmp_path / "a", hourglass, path=path)

    assert (tmp_path / "a").read_bytes() == b"text\nhello\n"


def test_two_processes_never_write_the_same_file_at_once(stories, tmp_path, hourglass, monkeypatch):
    monkeypatch.setattr(part_file, "LOCK_SECONDS", 0.2)

    with (
        part_file.PartFile(remote_file(stories, NAME, PATH), tmp_path / "a"),
        pytest.raises(JobError, match=r"Another process is still downloading data/train\.jsonl"),
    ):
        fetch(stories, tmp_path / "a", hourglass)

    assert isinstance(fetch(stories, tmp_path / "a", hourglass)[-1], Downloaded)


def test_who_waits_while_another_one_finishes_checks_what_it_left(stories, tmp_path, hourglass):
    file, target = remote_file(stories, NAME, PATH), tmp_path / "a"
    fetch(stories, target, hourglass)
    with ThreadPoolExecutor(1) as beside, part_file.PartFile(file, target) as first:
        list(first.catch_up())
        later = beside.submit(fetch, stories, target, hourglass)
        time.sleep(3 * part_file.LOCK_LOOK_SECONDS)
        first.finish()

    assert isinstance(later.result()[-1], Downloaded)
    assert target.read_bytes() == CONTENT
    assert not part_file.part_of(target).exists()
