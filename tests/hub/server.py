"""The Hub itself: what it holds, whom it knows, what goes wrong, and what it was asked for."""

import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.hub.answers import HubHandler
from tests.hub.asked import Asked, Reader
from tests.hub.faults import Fault
from tests.hub.repositories import Repository, StoredFile


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: "Hub", name: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), HubHandler)
        self.hub, self.name = hub, name
        self.thread = threading.Thread(target=self.serve_forever, args=[0.02], daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are part of the tests


class Hub:
    """Started by `with`. Files of LFS size are served by a second server once `redirects_large_files` is set."""

    def __init__(self, port: int = 0, *, redirects_large_files: bool = False) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.readers: dict[str, Reader] = {}
        self.redirects_large_files = redirects_large_files
        self.log: list[Asked] = []
        self._faults: list[list[Any]] = []  # [what the path ends with, method, fault, times left]
        self._lock = threading.Lock()
        self.hub, self.cdn = Server(self, "hub", port), Server(self, "cdn")

    def __enter__(self) -> Self:
        self.hub.thread.start()
        self.cdn.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self) -> str:
        return self.hub.address

    @property
    def cdn_host(self) -> str:
        return f"127.0.0.1:{self.cdn.server_port}"

    def add(self, name: str, files: dict[str, bytes], *, kind: str = "dataset", **facts: Any) -> Repository:
        """A repository with one commit on `main`."""
        repository = Repository(name, kind, **facts)
        repository.commit(files)
        self.repositories[kind, name] = repository
        return repository

    def add_token(self, token: str, *repositories: str, name: str = "reader") -> str:
        """A valid token, and the private and gated repositories it opens."""
        self.readers[token] = Reader(name, frozenset(repositories))
        return token

    def fault(self, path: str, fault: Fault | None, *, times: int = 1, method: str = "GET") -> None:
        """The next `times` requests for a path that ends so, on either server, go wrong in this way; with None, well.

        Several for one path follow each other.
        """
        with self._lock:
            self._faults.append([path, method, fault, times])

    def next_fault(self, path: str, method: str) -> Fault | None:
        with self._lock:
            for entry in self._faults:
                if entry[3] and entry[1] == method and path.endswith(entry[0]):
                    entry[3] -= 1
                    fault: Fault | None = entry[2]
                    return fault
        return None

    def asked_for(self, path: str, *, method: str = "GET", server: str | None = None) -> list[Asked]:
        return [
            asked
            for asked in self.log
            if asked.method == method and asked.path.endswith(path) and server in (None, asked.server)
        ]

    def by_etag(self, etag: str) -> StoredFile | None:
        commits = (commit for repository in self.repositories.values() for commit in repository.commits.values())
        return next((file for files in commits for file in files.values() if file.etag == etag), None)
