"""Names of repositories and of the files in them."""

import os
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from urllib.parse import quote

DATASET, MODEL = "dataset", "model"
HUGGING_FACE = "https://huggingface.co"
# Where the real Hub sends downloads to, as https://huggingface.co/.well-known/meta.json lists it, and used to.
CDN_HOSTS = ("*.cdn.hf.co", "*.xethub.hf.co", "*.xethub-eu.hf.co", "cdn-lfs*.hf.co", "cdn-lfs*.huggingface.co")


def endpoint_here() -> str:
    """The Hub this server talks to: HF_ENDPOINT, by default the real one. Nothing a user types changes it."""
    return (os.environ.get("HF_ENDPOINT", "").strip() or HUGGING_FACE).rstrip("/")


@dataclass(frozen=True)
class HubAccess:
    """Which Hub, as whom, and to which other hosts it may redirect: patterns of names, with a port if not the usual."""

    endpoint: str
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = CDN_HOSTS


@dataclass(frozen=True)
class Repository:
    """`kind` is "dataset" or "model", where tokenizers are; `name` is owner/name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}"

    def page(self, endpoint: str) -> str:
        """Its address for a browser."""
        return f"{endpoint}/{self._folder}{self.name}"

    def file_address(self, endpoint: str, revision: str, path: str) -> str:
        return f"{self.page(endpoint)}/resolve/{quote(revision, safe='')}/{quote(path)}"

    @property
    def _folder(self) -> str:
        return "datasets/" if self.kind == DATASET else ""


@dataclass(frozen=True)
class RemoteFile:
    """A file of one commit. `sha256` is known of large files (LFS), `blob_sha1`, git's own hash, of the others.

    `kind` is how the rows are written, as `ingest.source.Kind` has it, "" for what holds no rows; `compression` is
    "gz", "zst" or "".
    """

    repository: Repository
    revision: str
    path: str
    bytes: int
    sha256: str = ""
    blob_sha1: str = ""
    kind: str = ""
    compression: str = ""

    def address(self, endpoint: str) -> str:
        return self.repository.file_address(endpoint, self.revision, self.path)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**{**values, "repository": Repository(**values["repository"])})
