"""Makes finished files a dataset that `datasets.load_from_disk` and `datasets.load_dataset` open.

What the first needs was read from datasets 5.2: `dataset_dict.json`, and for each split a `dataset_info.json` with the
features and a `state.json` with all of its seven keys and at least one data file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets_app.errors import JobError, disk_full_explained
from tokenizations.engine.sequences import schema
from tokenizations.engine.shard_files import DATA, HashedFile, sync_directory
from tokenizations.engine.spec import FORMAT_VERSION, Spec
from tokenizations.engine.statistics import Statistics
from tokenizations.engine.vocabulary import Vocabulary

MANIFEST = "manifest.json"
CARD = "README.md"
STATE = "state"
FINGERPRINT_DIGITS = 16
READ_BYTES = 1 << 20
LIBRARIES = ("fastokens", "tokenizers", "pyarrow", "numpy")


@dataclass(frozen=True)
class OutputFile:
    """A file of the output; `path` is relative to its folder, `role` as in FileFacts, or "state" for the small ones."""

    role: str
    split: str
    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """Where the output comes from; together with the versions of the libraries it decides every byte."""

    spec: Spec
    dataset_fingerprint: str
    tokenizer_sha256: str
    encoder: str


def data_path(split: str, number: int, count: int) -> str:
    """Where the data file `number` (from 0) of `count` belongs; `count` is at least 1."""
    return f"{split}/data-{number:05d}-of-{count:05d}.arrow"


def ledger_path(split: str, number: int, count: int) -> str:
    """Where the ledger of that data file belongs."""
    return f"ledger/{split}/rows-{number:05d}-of-{count:05d}.parquet"


def statistics_path(split: str, number: int, count: int) -> str:
    """Where the statistics of that data file belong."""
    return f"ledger/{split}/statistics-{number:05d}-of-{count:05d}.parquet"


def write_dataset(
    out: Path,
    files: Iterable[OutputFile],
    provenance: Provenance,
    statistics: Mapping[str, Statistics],
    vocabulary: Vocabulary | None = None,
) -> dict[str, Any]:
    """Write everything but `files`, which are in place under `out` already, and return the manifest.

    `statistics` are by split; a split of the spec without any counts as one without rows. `vocabulary` puts words to
    the most frequent tokens. The manifest comes last and
    at once: a folder without one is not finished. Raises JobError when the disk is full.
    """
    files = sorted(files, key=lambda file: file.path)
    with disk_full_explained():
        for split in provenance.spec.splits:
            (out / split).mkdir(parents=True, exist_ok=True)
            data = [file for file in files if file.split == split and file.role == DATA]
            if not data:
                data = [_empty_file(out, split, provenance.spec)]
                files += data
            files += _split_state(out, split, data, provenance.spec)
        files.append(_write(out, "dataset_dict.json", "", _json({"splits": list(provenance.spec.splits)})))
        files.append(_write(out, CARD, "", _card(provenance, statistics).encode()))
        manifest = _manifest(files, provenance, statistics, vocabulary)
        _write(out, f"{MANIFEST}.part", "", _json(manifest))
        (out / f"{MANIFEST}.part").replace(out / MANIFEST)
        sync_directory(out)
    return manifest


def verify(out: Path, files: Iterable[OutputFile], *, read: bool = True) -> None:
    """Raise JobError unless all files are there with the right sizes and, if they are to be read, hashes."""
    for file in files:
        path = out / file.path
        if not path.is_file() or path.stat().st_size != file.bytes or (read and _sha256(path) != file.sha256):
            raise JobError(f"{file.path} is missing or not as it was written.", "Tokenize the dataset again.")


def files_of(manifest: Mapping[str, Any]) -> list[OutputFile]:
    """The files that a manifest names."""
    return [OutputFile(**file) for file in manifest["files"]]


def _empty_file(out: Path, split: str, spec: Spec) -> OutputFile:
    path = data_path(split, 0, 1)
    with HashedFile(out / path) as file, pa.ipc.new_stream(file, schema(spec)):
        pass
    facts = file.facts(DATA, 0)
    return OutputFile(DATA, split, path, 0, facts.bytes, facts.sha256)


def _split_state(out: Path, split: str, data: Sequence[OutputFile], spec: Spec) -> list[OutputFile]:
    hashes = "".join(file.sha256 for file in data)
    state: dict[str, Any] = {
        "_data_files": [{"filename": Path(file.path).name} for file in data],
        "_fingerprint": hashlib.sha256(hashes.encode()).hexdigest()[:FINGERPRINT_DIGITS],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {"citation": "", "description": "", "features": _features(spec), "homepage": "", "license": ""}
    written = [
        _write(out, f"{split}/state.json", split, _json(state)),
        _write(out, f"{split}/dataset_info.json", split, _json(info)),
    ]
    sync_directory(out / split)
    return written


def _features(spec: Spec) -> dict[str, Any]:
    return {field.name: _feature(field.type) for field in schema(spec)}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": str(kind), "_type": "Value"}


def _manifest(
    files: Iterable[OutputFile],
    provenance: Provenance,
    statistics: Mapping[str, Statistics],
    vocabulary: Vocabulary | None,
) -> dict[str, Any]:
    spec = provenance.spec
    return {
        "format": {"name": "tokenyard", "version": FORMAT_VERSION},
        "versions": {name: version(name) for name in LIBRARIES},
        "fingerprint": spec.fingerprint(provenance.dataset_fingerprint, provenance.tokenizer_sha256),
        "dataset_fingerprint": provenance.dataset_fingerprint,
        "tokenizer_sha256": provenance.tokenizer_sha256,
        "encoder": provenance.encoder,
        "spec": spec.to_dict(),
        "files": [asdict(file) for file in sorted(files, key=lambda file: file.path)],
        "statistics": sum(statistics.values(), Statistics()).summary(vocabulary),
        "splits": {split: statistics.get(split, Statistics()).summary(vocabulary) for split in spec.splits},
    }


def _write(out: Path, path: str, split: str, content: bytes) -> OutputFile:
    with HashedFile(out / path) as file:
        file.write(content)
    facts = file.facts(STATE, 0)
    return OutputFile(STATE, split, path, 0, facts.bytes, facts.sha256)


def _json(content: object) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _card(provenance: Provenance, statistics: Mapping[str, Statistics]) -> str:
    spec = provenance.spec
    rows = [
        f"| {split} | {figures.lengths.rows:,} | {figures.totals.tokens_written:,} |"
        for split in spec.splits
        for figures in [statistics.get(split, Statistics())]
    ]
    defaults = Spec(spec.text_column, ()).to_dict()
    chosen = {name: value for name, value in spec.to_dict().items() if name == "text_column" or value != defaults[name]}
    options = [f"- {name}: {_inert(json.dumps(value))}" for name, value in chosen.items()]
    return "\n".join(
        [
            *_front_matter([split for split in spec.splits if split in statistics and statistics[split].lengths.rows]),
            "# A tokenized dataset",
            "",
            f"By the tokenizer with the SHA-256 `{provenance.tokenizer_sha256}`, encoded by {provenance.encoder}.",
            "",
            "| split | rows | tokens |",
            "|---|---:|---:|",
            *rows,
            "",
            "Options, the others being at their defaults:",
            "",
            *options,
            "",
            "```python",
            "from datasets import load_from_disk",
            "",
            'dataset = load_from_disk("path/to/this/folder")',
            "```",
            "",
            f"`{MANIFEST}` has the hashes of all files, the versions of the libraries and the statistics.",
            "",
        ]
    )


def _front_matter(splits: Sequence[str]) -> list[str]:
    # For `load_dataset`, which cannot have splits without rows. The names are checked at the door (letters, digits,
    # underscores and dots), so they are safe in YAML.
    if not splits:
        return []
    files = [line for split in splits for line in (f'  - split: "{split}"', f'    path: "{split}/data-*.arrow"')]
    return ["---", "configs:", "- config_name: default", "  data_files:", *files, "---"]


def _inert(text: str) -> str:
    # A column's name is other people's text: as code in one line Markdown does nothing with them.
    return f"`{' '.join(text.replace('`', chr(0x2BC)).split())}`"
