"""What a repository is, asked through `huggingface_hub`, in a time that is limited."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2

from datasets_app.ingest.hub.connection import FIRST_ERROR, Connection
from datasets_app.ingest.hub.refusals import (
    SERVER_ERRORS,
    HubError,
    unreachable,
)
from datasets_app.ingest.hub.remote import DATASET, RemoteFile, Repository
from datasets_app.names import whole

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo, ModelInfo

    Info = DatasetInfo | ModelInfo

LARGEST_ANSWER_BYTES = 64 << 20
MOST_FILES = 50_000
# The client does not try an API call again by itself.
WAITS_SECONDS = (0.5, 1.5)
# Nothing is told to anybody about this server, and a token that lies on its disk is nobody's here.
SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
}


def settle_environment() -> None:
    """To be called before `huggingface_hub` is imported, which reads its settings only then."""
    os.environ.update(SETTINGS)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_DEBUG"):
        os.environ.pop(name, None)


class _Refused(Exception):
    """An answer over 399, taken before the client tries to make sense of its body."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def repository_info(repository: Repository, revision: str, connection: Connection) -> "Info":
    """Its commit, its files with their sizes, and whether it is gated. Raises HubError."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = HfApi(endpoint=connection.endpoint, token=connection.access.token or False)
    ask = api.dataset_info if repository.kind == DATASET else api.model_info
    with _bounded(connection):
        try:
            asked: Callable[..., Info] = partial(ask, repository.name, revision=revision, files_metadata=True)
            return _tried_again(lambda: asked(timeout=connection.timeout()), connection)
        except _Refused as error:
            file = RemoteFile(repository, revision, "", 0)
            raise connection.refusal(error.response, file) from None
        except OfflineModeIsEnabled:
            raise unreachable(connection.endpoint, "is not asked: HF_HUB_OFFLINE is set") from None
        except httpx2.HTTPError as error:
            raise connection.no_answer(error) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # A proxy's page instead of JSON, or JSON of something else.
            raise unreachable(connection.endpoint, "does not answer as the Hub does") from None


def files_of(info: "Info", repository: Repository, endpoint: str) -> list[RemoteFile]:
    """Every file of the commit. Raises HubError if there are too many, or their sizes are not told."""
    siblings = info.siblings or []
    if len(siblings) > MOST_FILES:
        raise HubError(
            f"{repository.name} has {len(siblings):,} files, over {MOST_FILES:,}.", "Choose a repository with fewer."
        )
    sha = commit_of(info, endpoint)
    return [_file(sibling, repository, sha, endpoint) for sibling in siblings]


def commit_of(info: "Info", endpoint: str) -> str:
    if not info.sha or not isinstance(info.sha, str):
        raise unreachable(endpoint, "does not answer as the Hub does")
    return info.sha


def _file(sibling: Any, repository: Repository, sha: str, endpoint: str) -> RemoteFile:
    if not isinstance(sibling.rfilename, str):
        raise unreachable(endpoint, "does not answer as the Hub does")
    if not isinstance(sibling.size, int) or sibling.size < 0:
        raise unreachable(endpoint, "does not tell the sizes of files")
    sha256 = sibling.lfs.sha256 if sibling.lfs else ""
    blob = "" if sha256 else sibling.blob_id or ""
    return RemoteFile(repository, sha, whole(sibling.rfilename), sibling.size, sha256, blob)


def _tried_again(ask: Callable[[], "Info"], connection: Connection) -> "Info":
    for seconds in WAITS_SECONDS:
        try:
            return ask()
        except _Refused as error:
            if error.response.status_code < SERVER_ERRORS:
                raise
        connection.clock.sleep(seconds)
        connection.check_deadline()
    return ask()


@contextmanager
def _bounded(connection: Connection) -> Iterator[None]:
    """Let the client of `huggingface_hub` go nowhere but to the Hub, and not read for ever."""
    from huggingface_hub import close_session, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> httpx2.Client:
        made = default_client_factory()
        made.event_hooks = {
            "request": [*made.event_hooks["request"], partial(_check, connection)],
            "response": [partial(_limit, connection)],
        }
        return made

    set_client_factory(client)
    try:
        yield
    finally:
        close_session()
        set_client_factory(default_client_factory)


def _check(connection: Connection, request: httpx2.Request) -> None:
    connection.check_deadline()
    connection.redirected(connection.endpoint, str(request.url))


def _limit(connection: Connection, response: httpx2.Response) -> None:
    if response.status_code >= FIRST_ERROR:
        raise _Refused(response)
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _LimitedStream(response.stream, connection)


class _LimitedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, connection: Connection) -> None:
        self._stream, self._connection = stream, connection

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for piece in self._stream:
            read += len(piece)
            self._connection.check_deadline()
            if read > LARGEST_ANSWER_BYTES:
                raise unreachable(self._connection.endpoint, "answers with more than can be read")
            yield piece

    def close(self) -> None:
        self._stream.close()
