"""How the Hub answers: its API, the files of a repository, and the host of large files."""

import json
import re
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.asked import Asked
from tests.hub.faults import Cut, Fault, Html, Redirect, Silent, Slow, Status, Unlike
from tests.hub.repositories import Repository, StoredFile

if TYPE_CHECKING:
    from tests.hub.server import Server

API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+?)(?:/(revision|tree|paths-info|auth-check)(?:/(.*))?)?")
RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
PIECE_BYTES = 1 << 16


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"
    fault: Fault | None = None

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes = b"") -> None:
        url = urlsplit(self.path)
        path, self.query = unquote(url.path), parse_qs(url.query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.hub.log.append(Asked(self.server.name, self.command, path, headers))
        fault = self.fault = self.server.hub.next_fault(path, self.command)
        match fault:
            case Status():
                return self._send(fault.code, fault.body, fault.headers)
            case Silent():
                time.sleep(fault.seconds)
            case Html():
                return self._send(200, fault.text.encode(), {"Content-Type": "text/html; charset=utf-8"})
            case Redirect(location) if location:
                return self._send(fault.code, b"", {"Location": location})
        if self.server.name == "cdn":
            return self._cdn(path.removeprefix("/"))
        if path == "/api/whoami-v2":
            return self._whoami()
        if found := API.fullmatch(path):
            return self._api(*found.groups(), body)
        if found := RESOLVE.fullmatch(path):
            kind = "dataset" if found[1] else "model"
            return self._file(kind, found[2], found[3], found[4])
        return self._refuse(404, "Not Found")

    def _whoami(self) -> None:
        reader = self.server.hub.readers.get(self._token())
        if not reader:
            return self._invalid_token()
        return self._json({"type": "user", "name": reader.name})

    def _api(self, kinds: str, name: str, what: str | None, rest: str | None, body: bytes) -> None:
        repository = self._repository(kinds.removesuffix("s"), name)
        if not repository:
            return None
        if what == "auth-check":
            return self._json({}) if self._may_read(repository) else None
        revision, _, folder = (rest or "main").partition("/") if what != "revision" else (rest or "main", "", "")
        sha = repository.resolve(revision)
        if not sha:
            return self._refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        match what:
            case "tree":
                return self._json(repository.tree(sha, folder, self.query.get("recursive", [""])[0].lower() == "true"))
            case "paths-info":
                return self._paths_info(repository, sha, body)
        return self._json(repository.info(sha))

    def _paths_info(self, repository: Repository, sha: str, body: bytes) -> None:
        wanted = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        files = repository.commits[sha]
        folders = {path for path in wanted if any(file.startswith(f"{path}/") for file in files)}
        entries = [repository.entry(sha, path) for path in wanted if path in files]
        self._json(entries + [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders])

    def _file(self, kind: str, name: str, revision: str, path: str) -> None:
        repository = self._repository(kind, name)
        if not repository or not self._may_read(repository):
            return None
        sha = repository.resolve(revision)
        if not sha:
            return self._refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        file = repository.commits[sha].get(path)
        if not file:
            return self._refuse(404, "Entry not found", "EntryNotFound")
        headers = {"X-Repo-Commit": sha}
        if file.is_lfs:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.content))}
        fault = self.fault
        if isinstance(fault, Redirect) or (file.is_lfs and self.server.hub.redirects_large_files):
            code = fault.code if isinstance(fault, Redirect) else 302
            return self._send(code, b"", headers | {"Location": f"{self.server.hub.cdn.address}/{file.etag}"})
        return self._content(file, headers)

    def _cdn(self, etag: str) -> None:
        file = self.server.hub.by_etag(etag)
        return self._content(file, {}) if file else self._refuse(404, "Not Found")

    def _content(self, file: StoredFile, headers: dict[str, str]) -> None:
        fault, content, etag = self.fault, file.content, f'"{file.etag}"'
        if isinstance(fault, Unlike):
            content = bytes(len(content)) if fault.content is None else fault.content
            etag = fault.etag or etag
        headers = headers | {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        is_same = self.headers.get("If-Range", etag) == etag
        if not asked or not is_same:
            return self._send(200, content, headers)
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        if first >= len(content):
            return self._send(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self._send(206, content[first : last + 1], headers)

    def _repository(self, kind: str, name: str) -> Repository | None:
        """As the real Hub: it does not tell what is missing from what is private."""
        hub, token = self.server.hub, self._token()
        if token and token not in hub.readers:
            return self._invalid_token()
        repository = hub.repositories.get((kind, name))
        is_open = repository and (not repository.private or (token and name in hub.readers[token].repositories))
        if not is_open:
            self._refuse(404 if token else 401, "Repository not found", "RepoNotFound")
            return None
        return repository

    def _may_read(self, repository: Repository) -> bool:
        token = self._token()
        if not repository.gated or (token and repository.name in self.server.hub.readers[token].repositories):
            return True
        self._refuse(403 if token else 401, f"Access to {repository.kind} {repository.name} is restricted", "GatedRepo")
        return False

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _invalid_token(self) -> None:
        self._refuse(401, "Invalid credentials in Authorization header")

    def _refuse(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._json({"error": message}, status, headers)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self._write(body)

    def _write(self, body: bytes) -> None:
        fault = self.fault
        end = fault.after_bytes if isinstance(fault, Cut) else len(body)
        size = fault.piece_bytes if isinstance(fault, Slow) else PIECE_BYTES
        for start in range(0, min(end, len(body)), size):
            self.wfile.write(body[start : min(end, start + size)])
            if isinstance(fault, Slow):
                time.sleep(fault.pause_seconds)
        if isinstance(fault, Cut):
            self.close_connection = True
