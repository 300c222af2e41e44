import os

import pytest

from datasets_app.ingest.hub.connection import Connection
from datasets_app.ingest.hub.reader import download
from datasets_app.ingest.hub.refusals import RedirectRefused
from datasets_app.ingest.hub.remote import HubAccess
from datasets_app.ingest.hub.waiting import Waiting
from tests.hub import Cut, Redirect, Status
from tests.hub.fixtures import CANARY, access_to, remote_file

CONTENT = os.urandom(100_000)
NAME, PATH = "lab/stories", "data/train.parquet"


@pytest.fixture
def stories(hub):
    """A private repository whose files are elsewhere."""
    hub.add(NAME, {PATH: CONTENT}, private=True)
    hub.add_token(CANARY, NAME)
    hub.redirects_large_files = True
    return hub


def test_the_token_does_not_go_along_to_another_host(stories, tmp_path):
    access = access_to(stories, CANARY, stories.cdn_host)

    list(download(remote_file(stories, NAME, PATH), tmp_path / "a", access))

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [asked.token for asked in stories.log] == [f"Bearer {CANARY}", None]
    assert not any(CANARY in value for asked in stories.log[1:] for value in asked.headers.values())


def test_a_download_from_another_host_is_resumed_too(stories, tmp_path, hourglass):
    access = access_to(stories, CANARY, stories.cdn_host)
    file = remote_file(stories, NAME, PATH)
    stories.fault(file.sha256, Cut(60_000))

    list(download(file, tmp_path / "a", access, hourglass.clock))

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [asked.range for asked in stories.asked_for("", server="cdn")] == [None, "bytes=60000-"]
    assert "if-range" not in stories.log[-1].headers


def test_an_address_of_the_storage_that_is_no_longer_good_is_asked_for_anew(stories, tmp_path, hourglass):
    file = remote_file(stories, NAME, PATH)
    stories.fault(file.sha256, Status(403))

    list(download(file, tmp_path / "a", access_to(stories, CANARY, stories.cdn_host), hourglass.clock))

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [asked.server for asked in stories.log] == ["hub", "cdn", "hub", "cdn"]


def test_the_token_is_not_shown_where_the_access_is():
    assert CANARY not in repr(HubAccess("https://hub.example", CANARY))


def test_a_host_that_is_not_listed_is_refused_and_never_asked(stories, tmp_path):
    with pytest.raises(RedirectRefused, match=f"redirects to {stories.cdn_host}, where this server does not go"):
        list(download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories, CANARY)))

    assert stories.asked_for("", server="cdn") == []
    assert not (tmp_path / "a").exists()


def test_the_hub_may_redirect_to_itself_with_the_token(stories, tmp_path):
    stories.redirects_large_files = False
    file = remote_file(stories, NAME, PATH)
    there = f"/datasets/{NAME}/resolve/main/{PATH}"
    stories.fault(f"{file.revision}/{PATH}", Redirect(there, 307))

    list(download(file, tmp_path / "a", access_to(stories, CANARY)))

    assert (tmp_path / "a").read_bytes() == CONTENT
    assert stories.log[-1].path == there
    assert stories.log[-1].token == f"Bearer {CANARY}"


def test_a_circle_of_redirects_ends(stories, tmp_path):
    file = remote_file(stories, NAME, PATH)
    stories.fault(PATH, Redirect(f"/datasets/{NAME}/resolve/main/{PATH}"), times=50)

    with pytest.raises(RedirectRefused, match="circle"):
        list(download(file, tmp_path / "a", access_to(stories, CANARY)))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "//example.org/x",
        "http://[oops/x",
        "http://example.org:99999999/x",
    ],
)
def test_a_redirect_to_anywhere_else_is_refused(stories, tmp_path, location, hourglass):
    stories.fault(PATH, Redirect(location))

    with pytest.raises(RedirectRefused) as refused:
        list(download(remote_file(stories, NAME, PATH), tmp_path / "a", access_to(stories, CANARY), hourglass.clock))

    assert CANARY not in f"{refused.value} {refused.value.advice}"
    assert not any(isinstance(wait, Waiting) for wait in hourglass.slept)


@pytest.mark.parametrize(
    ("location", "is_allowed"),
    [
        ("https://cdn-lfs.huggingface.co/a?sig=1", True),
        ("https://cdn-lfs-us-1.hf.co/a", True),
        ("https://cas-bridge.xethub.hf.co/a", True),
        ("https://transfer.xethub-eu.hf.co/a", True),
        ("https://us.aws.cdn.hf.co/a", True),
        ("https://aws.cdn.hf.co/a", True),
        ("https://evil.hf.co/a", False),
        ("https://hub.example/other", True),
        ("/other", True),
        ("http://cdn-lfs.huggingface.co/a", False),
        ("https://cdn-lfs.huggingface.co:8443/a", False),
        ("https://cdn-lfs.huggingface.co.example.org/a", False),
        ("https://evil.example/cdn-lfs.hf.co", False),
        ("https://cdn-lfs.hf.co@evil.example/a", False),
        ("https://user:word@cdn-lfs.hf.co/a", False),
        ("https://hub.example:444/other", False),
    ],
)
def test_by_default_the_real_hubs_own_hosts_are_allowed_and_only_with_encryption(location, is_allowed):
    with Connection(HubAccess("https://hub.example")) as connection:
        if is_allowed:
            assert connection.redirected("https://hub.example/file", location).startswith("https://")
        else:
            with pytest.raises(RedirectRefused):
                connection.redirected("https://hub.example/file", location)
