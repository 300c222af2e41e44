"""Makes finished files a dataset that `datasets.load_from_disk` and `datasets.load_dataset` open.

What the first needs was read from datasets 5.2: `dataset_dict.json`, and for each split a `dataset_info.json` with the
features and a `state.json` with all of its seven keys and at least one data file.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from datasets_app.errors import disk_full_explained
from tokenizations.engine.output_files import DATA, MANIFEST, STATE, STATISTICS, OutputFile, data_path, verify
from tokenizations.engine.sequences import schema
from tokenizations.engine.shard_files import HashedFile, sync_directory
from tokenizations.engine.spec import FORMAT_VERSION, Spec
from tokenizations.engine.statistics import Statistics
from tokenizations.engine.vocabulary import Vocabulary, beside

CARD = "README.md"
FINGERPRINT_DIGITS = 16
LIBRARIES = ("fastokens", "tokenizers", "pyarrow", "numpy")


@dataclass(frozen=True)
class Provenance:
    """Where the output comes from; together with the versions of the libraries it decides every byte."""

    spec: Spec
    dataset_fingerprint: str
    tokenizer_sha256: str
    encoder: str


def assemble(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All that is left to do once the shards' files are in place, as a child process is asked to do it.

    `request` names the folder `out`, its `files`, each as an OutputFile's fields, their provenance (`spec`,
    `dataset_fingerprint`, `tokenizer_sha256`, `encoder`) and the path of the `tokenizer`. Yields signs of life, and at
    the end as `done` the `statistics` of the whole, its `splits`, and the `bytes` of all files. Raises JobError as
    `write_dataset` and `verify` do.
    """
    out, files = Path(request["out"]), [OutputFile(**file) for file in request["files"]]
    statistics: dict[str, Statistics] = {}
    for file in files:
        if file.role == STATISTICS:
            statistics[file.split] = statistics.get(file.split, Statistics()) + Statistics.read(out / file.path)
            yield {"read": file.path}
    source = (request[name] for name in ("dataset_fingerprint", "tokenizer_sha256", "encoder"))
    provenance = Provenance(Spec.from_dict(request["spec"]), *source)
    manifest = write_dataset(out, files, provenance, statistics, beside(Path(request["tokenizer"])))
    verify(out, files, read=False)
    size = sum(file["bytes"] for file in manifest["files"])
    yield {"done": {"statistics": manifest["statistics"], "splits": manifest["splits"], "bytes": size}}


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
