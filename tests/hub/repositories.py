"""Repositories with revisions, kept in memory."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

# Larger files are stored with Git LFS, and have a sha256 instead of git's own hash.
LFS_FROM_BYTES = 4096


@dataclass(frozen=True)
class StoredFile:
    content: bytes
    lfs_from_bytes: int = LFS_FROM_BYTES

    @property
    def is_lfs(self) -> bool:
        return len(self.content) >= self.lfs_from_bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.blob_id

    def lfs(self) -> dict[str, Any]:
        size = len(self.content)
        if not self.is_lfs:
            return {}
        return {"lfs": {"sha256": self.sha256, "oid": self.sha256, "size": size, "pointerSize": 134}}


@dataclass
class Repository:
    """`gated` is "", "auto" or "manual", as on the real Hub; `commits` and `names` hold its revisions."""

    name: str
    kind: str = "dataset"
    gated: str = ""
    private: bool = False
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # branches and tags

    def commit(self, files: dict[str, bytes], branch: str = "main", tag: str = "") -> str:
        """Replace all files of a branch; returns the commit's sha."""
        stored = {path: StoredFile(content) for path, content in files.items()}
        listing = "".join(f"{path} {file.etag}\n" for path, file in sorted(stored.items()))
        sha = hashlib.sha1(f"{self.name} {len(self.commits)}\n{listing}".encode(errors="surrogatepass")).hexdigest()
        self.commits[sha] = stored
        self.names[branch] = sha
        if tag:
            self.names[tag] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        sha = self.names.get(revision, revision)
        return sha if sha in self.commits else None

    def info(self, sha: str) -> dict[str, Any]:
        return {
            "id": self.name,
            "_id": sha[:24],
            "author": self.name.partition("/")[0],
            "sha": sha,
            "private": self.private,
            "gated": self.gated or False,
            "disabled": False,
            "tags": [],
            "cardData": self._card_data(sha),
            "downloads": 0,
            "likes": 0,
            "siblings": [
                {"rfilename": path, "size": len(file.content), "blobId": file.blob_id, **file.lfs()}
                for path, file in self.commits[sha].items()
            ],
        }

    def _card_data(self, sha: str) -> Any:
        readme = self.commits[sha].get("README.md")
        head = re.match(rb"---\n(.*?)\n---\n", readme.content, re.DOTALL) if readme else None
        try:
            return yaml.safe_load(head[1]) if head else None
        except yaml.YAMLError:
            return None

    def tree(self, sha: str, folder: str, recursive: bool) -> list[dict[str, Any]]:
        inside = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for path in self.commits[sha]:
            if not path.startswith(inside):
                continue
            *parents, _ = path.removeprefix(inside).split("/")
            for depth in range(1, len(parents) + 1):
                parent = inside + "/".join(parents[:depth])
                if recursive or depth == 1:
                    entries[parent] = {"type": "directory", "path": parent, "size": 0, "oid": "0" * 40}
            if recursive or not parents:
                entries[path] = self.entry(sha, path)
        return list(entries.values())

    def entry(self, sha: str, path: str) -> dict[str, Any]:
        file = self.commits[sha][path]
        return {"type": "file", "path": path, "size": len(file.content), "oid": file.blob_id, **file.lfs()}
