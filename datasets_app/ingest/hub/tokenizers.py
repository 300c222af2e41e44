"""What a tokenizer of the Hub is: of a model's repository, only the files that make one are ever fetched."""

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from datasets_app.ingest.hub.api import commit_of, files_of, repository_info
from datasets_app.ingest.hub.connection import Clock
from datasets_app.ingest.hub.lookup import LOOK_UP_SECONDS, bounded_connection
from datasets_app.ingest.hub.refusals import HubError
from datasets_app.ingest.hub.remote import MODEL, HubAccess, RemoteFile, Repository

FETCHED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
    "*.model",
)
LARGEST_FILE_BYTES = 256 << 20
PAIR = frozenset({"vocab.json", "merges.txt"})


@dataclass(frozen=True)
class TokenizerListing:
    """`files` are those at the top of the repository that are ever fetched."""

    name: str
    page: str
    revision: str
    sha: str
    licence: str
    gated: str
    private: bool
    files: tuple[RemoteFile, ...]

    @property
    def download_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "files": [asdict(file) for file in self.files], "download_bytes": self.download_bytes}


def look_up_tokenizer(
    name: str,
    revision: str = "main",
    *,
    access: HubAccess,
    seconds: float = LOOK_UP_SECONDS,
    clock: Clock | None = None,
) -> TokenizerListing:
    """The files of a tokenizer with their sizes. Raises HubError, also when there is none that can be used."""
    repository = Repository(MODEL, name)
    with bounded_connection(access, seconds, clock) as connection:
        info = repository_info(repository, revision, connection)
        files = tuple(file for file in files_of(info, repository, access.endpoint) if is_fetched(file.path))
        _refuse_useless(files, repository)
        if info.gated:
            connection.read(files[0], 1)
    return TokenizerListing(
        name=name,
        page=repository.page(access.endpoint),
        revision=revision,
        sha=commit_of(info, access.endpoint),
        licence=str(getattr(info.card_data, "license", None) or ""),
        gated=str(info.gated or ""),
        private=bool(info.private),
        files=files,
    )


def is_fetched(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in FETCHED) and "/" not in path


def _refuse_useless(files: tuple[RemoteFile, ...], repository: Repository) -> None:
    names = {file.path for file in files}
    if "tokenizer.json" not in names and not names >= PAIR:
        found = next((name for name in sorted(names) if PurePosixPath(name).suffix == ".model"), None)
        what = f"only {found}, which is not read" if found else "no tokenizer"
        raise HubError(
            f"{repository.name} holds {what}.",
            "The repository would need a tokenizer.json, or a vocab.json together with its merges.txt.",
        )
    large = next((file for file in files if file.bytes > LARGEST_FILE_BYTES), None)
    if large:
        raise HubError(
            f"{large.path} of {repository.name} is over {LARGEST_FILE_BYTES >> 20} MiB.", "Choose another tokenizer."
        )
