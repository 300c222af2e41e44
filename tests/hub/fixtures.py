"""A Hub for a test, and short ways to ask it."""

from collections.abc import Iterator
from typing import Any

import pytest

from datasets_app.ingest.hub.connection import Clock
from datasets_app.ingest.hub.remote import DATASET, HubAccess, RemoteFile, Repository
from tests.hub.server import Hub

CANARY = "hf_canaryCanaryCanaryCanaryCanary01"


class Hourglass:
    """A clock that sleeps in no time, and writes down for how long."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.clock = Clock(self.slept.append, lambda: sum(self.slept), lambda: 1_800_000_000.0 + sum(self.slept))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture
def our_hub(hub: Hub, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The one that this server asks."""
    from datasets_app import looking_up  # which needs Django, and that is set up later than this file is read

    settings.HUB_ENDPOINT = hub.endpoint
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    looking_up.close()  # a child knows only the Hub that was there when it began
    return hub


@pytest.fixture
def hourglass() -> Hourglass:
    return Hourglass()


def access_to(hub: Hub, token: str | None = None, *hosts: str) -> HubAccess:
    return HubAccess(hub.endpoint, token, hosts)


def remote_file(hub: Hub, name: str, path: str, **changes: Any) -> RemoteFile:
    """A file of a dataset's `main`, as a look-up would name it."""
    repository = hub.repositories[DATASET, name]
    sha = repository.names["main"]
    file = repository.commits[sha][path]
    digests = {"sha256": file.sha256} if file.is_lfs else {"blob_sha1": file.blob_id}
    return RemoteFile(Repository(DATASET, name), sha, path, len(file.content), **{**digests, **changes})
