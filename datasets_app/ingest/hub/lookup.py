"""What a dataset of the Hub is, before anything of it is downloaded."""

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datasets_app.ingest.hub.api import commit_of, files_of, repository_info
from datasets_app.ingest.hub.card import Card, plain, read_card
from datasets_app.ingest.hub.connection import Clock, Connection
from datasets_app.ingest.hub.footers import open_parquet
from datasets_app.ingest.hub.layout import CARD_ERRORS, Layout, import_datasets, kind_of_file, read_layout
from datasets_app.ingest.hub.refusals import Damaged, HubUnreachable, NotTabular
from datasets_app.ingest.hub.remote import DATASET, HubAccess, RemoteFile, Repository
from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.schema import columns_of, plain_schema
from datasets_app.pandas_free import pandas_allowed

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

LOOK_UP_SECONDS = 15.0
READ_SECONDS = 10.0
LARGEST_CARD_BYTES = 4 << 20
# Footers are read only of so many files of a configuration: each is a request or two.
MOST_FOOTERS = 8
README, FURTHER_YAML, LEGACY_INFOS = "README.md", ".huggingface.yaml", "dataset_infos.json"


@dataclass(frozen=True)
class SplitListing:
    """`rows` is None where neither the card nor a Parquet footer tells them."""

    name: str
    files: tuple[RemoteFile, ...]
    rows: int | None = None

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": self.bytes}


@dataclass(frozen=True)
class DatasetListing:
    """`revision` is what was asked for, `sha` its commit; splits and columns are of `configuration`.

    `gated` is "", "auto" or "manual". `columns` are names with Arrow types, None where nothing tells them before the
    first rows are read. `default_configuration` is None if there are several and none is it.
    """

    name: str
    page: str
    revision: str
    sha: str
    description: str
    licence: str
    gated: str
    private: bool
    configurations: tuple[str, ...]
    default_configuration: str | None
    configuration: str
    splits: tuple[SplitListing, ...]
    columns: tuple[tuple[str, str], ...] | None

    @property
    def download_bytes(self) -> int:
        return sum(split.bytes for split in self.splits)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON, sums included."""
        splits = [split.to_dict() for split in self.splits]
        return {**asdict(self), "splits": splits, "download_bytes": self.download_bytes}


def look_up_dataset(
    name: str,
    revision: str = "main",
    configuration: str | None = None,
    *,
    access: HubAccess,
    seconds: float = LOOK_UP_SECONDS,
    clock: Clock | None = None,
) -> DatasetListing:
    """Ask for everything a person has to see before a download; waits for the Hub no longer than `seconds`.

    Without a `configuration` the default one is listed, or the first that has rows to read. Raises HubError.
    """
    import_datasets()
    repository = Repository(DATASET, name)
    with bounded_connection(access, seconds, clock) as connection:
        info = repository_info(repository, revision, connection)
        files = {file.path: file for file in files_of(info, repository, access.endpoint)}
        if info.gated:
            _check_access(list(files.values()), connection)
        card = _card(files, connection, repository)
        layout = read_layout(card, repository)
        candidates = layout.candidates(configuration, repository)
        chosen, by_split = _first_readable(candidates, layout, list(files), repository, connection)
        splits = tuple(SplitListing(split, _with_kinds(paths, files)) for split, paths in by_split.items())
        splits, columns = _told(splits, _infos(card, files, connection).get(chosen), connection)
    return DatasetListing(
        name=name,
        page=repository.page(access.endpoint),
        revision=revision,
        sha=commit_of(info, access.endpoint),
        description=plain(getattr(info, "description", None) or "") or card.description,
        licence=card.licence,
        gated=str(info.gated or ""),
        private=bool(info.private),
        configurations=layout.configurations,
        default_configuration=layout.default,
        configuration=chosen,
        splits=splits,
        columns=columns,
    )


def _first_readable(
    candidates: list[str], layout: Layout, paths: list[str], repository: Repository, connection: Connection
) -> tuple[str, dict[str, list[str]]]:
    refusals = []
    for name in candidates:
        try:
            return name, layout.files(name, paths, repository)
        except NotTabular as error:
            refusals.append(error)
            connection.check_deadline()
    raise refusals[0]


def bounded_connection(access: HubAccess, seconds: float, clock: Clock | None) -> Connection:
    clock = clock or Clock()
    return Connection(access, deadline=clock.monotonic() + seconds, read_seconds=READ_SECONDS, clock=clock)


def _check_access(files: list[RemoteFile], connection: Connection) -> None:
    """A gated repository tells everybody what it holds; only a file shows who may read it."""
    largest = max(files, key=lambda file: file.bytes, default=None)
    if largest:
        connection.read(largest, 1)


def _card(files: dict[str, RemoteFile], connection: Connection, repository: Repository) -> Card:
    readme, further = (_read_if_there(name, files, connection) for name in (README, FURTHER_YAML))
    return read_card(readme, further, repository)


def _read_if_there(name: str, files: dict[str, RemoteFile], connection: Connection) -> bytes:
    return connection.read(files[name], LARGEST_CARD_BYTES) if name in files else b""


def _with_kinds(paths: list[str], files: dict[str, RemoteFile]) -> tuple[RemoteFile, ...]:
    kinds = {path: kind_of_file(path) for path in paths}
    return tuple(replace(files[path], kind=kind, compression=packed) for path, (kind, packed) in kinds.items())


def _infos(card: Card, files: dict[str, RemoteFile], connection: Connection) -> dict[str, Any]:
    """What the card, or the file that older ones have, tells of each configuration, if it is as it should be."""
    with pandas_allowed():
        from datasets import DatasetInfo
        from datasets.info import DatasetInfosDict
    try:
        infos: dict[str, Any] = dict(DatasetInfosDict.from_dataset_card_data(card.data))
        if not infos:
            legacy = _legacy_infos(files, connection)
            infos = {name: DatasetInfo.from_dict(told) for name, told in legacy.items()}
    except CARD_ERRORS:
        return {}
    return {"default": next(iter(infos.values())), **infos} if len(infos) == 1 else infos


def _legacy_infos(files: dict[str, RemoteFile], connection: Connection) -> dict[str, Any]:
    told = json.loads(_read_if_there(LEGACY_INFOS, files, connection) or b"{}")
    return told if isinstance(told, dict) else {}


def _told(
    splits: tuple[SplitListing, ...], info: "DatasetInfo | None", connection: Connection
) -> tuple[tuple[SplitListing, ...], tuple[tuple[str, str], ...] | None]:
    """Rows and columns, from the card or else from the footers of a few Parquet files, if all can be read."""
    by_card = tuple(_by_card(split, info) for split in splits)
    schema = _schema_by_card(info)
    files = [file for split in splits for file in split.files]
    told = by_card, None if schema is None else tuple(columns_of(plain_schema(schema)))
    is_told = schema is not None and all(split.rows is not None for split in by_card)
    if is_told or len(files) > MOST_FOOTERS or any(file.kind != Kind.PARQUET for file in files):
        return told
    try:
        footers = {file.path: open_parquet(file, connection) for file in files}
    except (Damaged, HubUnreachable):
        return told
    counted = tuple(
        replace(split, rows=sum(footers[file.path].metadata.num_rows for file in split.files)) for split in by_card
    )
    return counted, tuple(columns_of(plain_schema(next(iter(footers.values())).schema_arrow)))


def _by_card(split: SplitListing, info: Any) -> SplitListing:
    told = ((info and info.splits) or {}).get(split.name)
    if told is None:
        return split
    return replace(split, rows=told.num_examples or None)


def _schema_by_card(info: Any) -> pa.Schema | None:
    try:
        return info.features.arrow_schema if info and info.features else None
    except (*CARD_ERRORS, pa.ArrowException):
        return None
