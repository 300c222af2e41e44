"""Which configurations a repository has, and which files make up their splits, as `datasets` sees it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import PurePosixPath
from typing import Any

from datasets_app.errors import JobError
from datasets_app.ingest.hub.card import Card
from datasets_app.ingest.hub.listing_files import BASE, ListingFileSystem
from datasets_app.ingest.hub.refusals import ConfigurationNotFound, HubError, NotTabular
from datasets_app.ingest.hub.remote import Repository
from datasets_app.ingest.kinds import EXTENSIONS
from datasets_app.pandas_free import pandas_allowed

DEFAULT = "default"
TABULAR = frozenset({"csv", "json", "parquet", "text"})
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}
PICKLES = frozenset({".bin", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"})
WOULD_NEED = "The repository would need its rows as Parquet, CSV or JSON files."
# What is shown of names that somebody else chose.
SHOWN_NAMES = 20
# `datasets` takes a path or an address in a card for one of this machine or of elsewhere: neither is the repository's.
OUTSIDE = re.compile(r"^[/\\~]|^[A-Za-z]:|:/|::|(^|[/\\])\.\.([/\\]|$)")
# What a card that is not as it should be makes `datasets` raise.
CARD_ERRORS = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True)
class Layout:
    """`configurations` in the order of the card; `default` is None if there are several and none is it."""

    configurations: tuple[str, ...]
    default: str | None
    parameters: dict[str, dict[str, Any]] = field(repr=False)

    def candidates(self, wanted: str | None, repository: Repository) -> list[str]:
        """The configuration asked for, or all of them, the default one first. Raises ConfigurationNotFound."""
        if wanted and wanted not in self.configurations:
            raise ConfigurationNotFound(
                f"{repository.name} has no configuration {wanted}.", _one_of(self.configurations)
            )
        return [wanted] if wanted else sorted(self.configurations, key=lambda name: name != self.default)

    def files(self, configuration: str, paths: list[str], repository: Repository) -> dict[str, list[str]]:
        """The files of each split, in order. Raises NotTabular if they hold no rows that are read."""
        others = [name for name in self.configurations if name != configuration]
        holder = f"The configuration {configuration} of {repository.name}" if others else repository.name
        try:
            return files_by_split(paths, self.parameters.get(configuration, {}), repository, holder)
        except NotTabular as error:
            raise NotTabular(str(error), _one_of(others)) if others else error from None


def import_datasets() -> None:
    """It takes seconds on a busy machine, which are not the Hub's."""
    with pandas_allowed():
        import datasets  # noqa: F401


def read_layout(card: Card, repository: Repository) -> Layout:
    """Raises HubError for a card whose configurations cannot be read."""
    with pandas_allowed():
        from datasets.utils.metadata import MetadataConfigs
    with _card_explained(repository):
        parameters = dict(MetadataConfigs.from_dataset_card_data(card.data))
        default = MetadataConfigs(parameters).get_default_config_name() if parameters else DEFAULT
    if not all(isinstance(name, str) and name for name in parameters):
        raise _bad_card(repository, "a configuration has no name")
    return Layout(tuple(parameters) or (DEFAULT,), default, parameters)


def files_by_split(
    paths: list[str], parameters: dict[str, Any], repository: Repository, holder: str
) -> dict[str, list[str]]:
    """As `Layout.files`; `holder` is what a refusal is about."""
    with pandas_allowed():
        from datasets.data_files import EmptyDatasetError, get_data_patterns, sanitize_patterns
    ListingFileSystem.show(paths)
    folder = _inside(str(parameters.get("data_dir") or ""), repository)
    base = f"{BASE}/{folder}".rstrip("/")
    try:
        with _card_explained(repository):
            named = parameters.get("data_files")
            patterns = get_data_patterns(base) if named is None else sanitize_patterns(named)
    except EmptyDatasetError:
        raise _nothing_to_read(paths, repository, holder) from None
    splits = {str(split): _matching(str(split), names, base, repository) for split, names in patterns.items()}
    seen = [file for files in splits.values() for file in files] if parameters else paths
    tables = {split: _tables(files, repository) for split, files in splits.items() if files}
    if not tables or not all(tables.values()):
        raise _nothing_to_read(seen, repository, holder)
    return tables


def kind_of_file(path: str) -> tuple[str, str]:
    """How the rows of a file are written and packed, by its name; the first is "" if they cannot be read."""
    name = PurePosixPath(path)
    compression = COMPRESSIONS.get(name.suffix.lower(), "")
    kind = EXTENSIONS.get((name.with_suffix("") if compression else name).suffix.lower())
    return ("", "") if kind is None or (compression and kind == "parquet") else (kind.value, compression)


def _matching(split: str, patterns: list[str], base: str, repository: Repository) -> list[str]:
    from datasets.data_files import resolve_pattern
    from datasets.packaged_modules import _ALL_ALLOWED_EXTENSIONS

    found: dict[str, None] = {}
    for pattern in patterns:
        _inside(str(pattern), repository)
        try:
            found |= dict.fromkeys(resolve_pattern(str(pattern), base, _ALL_ALLOWED_EXTENSIONS))
        except FileNotFoundError:
            if not has_magic(pattern):
                raise _bad_card(repository, f"the split {split} names files that are not there") from None
    return [file.removeprefix(f"{BASE}/") for file in found]


def _tables(files: list[str], repository: Repository) -> list[str]:
    """The files `datasets` would read of a split: those of the kind that most of them have, if these are tables."""
    from datasets.load import infer_module_for_data_files_list
    from datasets.packaged_modules import _MODULE_TO_EXTENSIONS

    # `datasets` would look into archives.
    module, _ = infer_module_for_data_files_list([file for file in files if not file.lower().endswith(".zip")])
    if module not in TABULAR:
        return []
    extensions = tuple(extension for extension in _MODULE_TO_EXTENSIONS[module] if extension != ".zip")
    kept = [file for file in files if _has_extension(file, extensions)]
    unread = next((file for file in kept if not kind_of_file(file)[0]), None)
    if unread:
        raise NotTabular(f"{unread} in {repository.name} is packed in a way that is not read.", WOULD_NEED)
    return kept


def _has_extension(path: str, extensions: tuple[str, ...]) -> bool:
    return any(f".{suffix}" in extensions for suffix in PurePosixPath(path).name.lower().split(".")[1:])


def _nothing_to_read(paths: list[str], repository: Repository, holder: str) -> JobError:
    suffixes = {PurePosixPath(path).suffix.lower() for path in paths}
    script = f"{PurePosixPath(repository.name).name}.py"
    if script in paths:
        what = f"holds a dataset script ({script}), which is never run, and no other rows"
    elif suffixes & PICKLES:
        what = "holds pickles or arrays, which are never opened, and no rows that can be read"
    elif suffixes - {"", ".md", ".gitattributes", ".json", ".yaml", ".txt"}:
        odd = ", ".join(sorted(suffixes - {"", ".md", ".gitattributes", *EXTENSIONS})[:SHOWN_NAMES])
        what = f"holds no rows that can be read, but {odd} files"
    else:
        what = "holds no data files"
    return NotTabular(f"{holder} {what}.", WOULD_NEED)


def _one_of(names: Sequence[str]) -> str:
    return f"Choose from: {', '.join(names[:SHOWN_NAMES])}."


def _inside(pattern: str, repository: Repository) -> str:
    if OUTSIDE.search(pattern):
        raise _bad_card(repository, "it names files outside of the repository")
    return pattern.strip("/")


@contextmanager
def _card_explained(repository: Repository) -> Iterator[None]:
    try:
        yield
    except CARD_ERRORS as error:
        raise _bad_card(repository, "its configurations are not well-formed") from error


def _bad_card(repository: Repository, why: str) -> HubError:
    return HubError(f"The card (README.md) of {repository.name} cannot be used: {why}.", "Tell the repository’s owner.")
