"""The only file that knows the folder layout. Nothing of a user's but a checked split name becomes part of a path."""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from datasets_app.errors import JobError

SPLIT_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
LONGEST_SPLIT_NAME = 64
RESERVED_SPLIT_NAMES = {
    "staging",
    "ledger",
    "readme.md",
    "manifest.json",
    "manifest.json.part",
    "dataset_dict.json",
    "rejected.jsonl",
}
STALE_SECONDS = 3600


def is_split_name(name: str) -> bool:
    fits = len(name) <= LONGEST_SPLIT_NAME and SPLIT_NAME.fullmatch(name) is not None
    return fits and name.lower() not in RESERVED_SPLIT_NAMES


def root() -> Path:
    return Path(settings.STORAGE_ROOT)


def dataset_dir(dataset_id: uuid.UUID) -> Path:
    return root() / "datasets" / str(dataset_id)


def part_path(dataset_id: uuid.UUID, split: str, name: str) -> Path:
    return dataset_dir(dataset_id) / split / name


def rejected_path(dataset_id: uuid.UUID) -> Path:
    """The bad rows that an import has set aside, as JSON lines."""
    return dataset_dir(dataset_id) / "rejected.jsonl"


def upload_dir(upload_id: uuid.UUID) -> Path:
    return root() / "uploads" / str(upload_id)


def download_dir(download_id: uuid.UUID) -> Path:
    return root() / "downloads" / str(download_id)


def downloaded_path(download_id: uuid.UUID, number: int) -> Path:
    """Of a file that comes in pieces: beside it lies what there is of it so far."""
    return download_dir(download_id) / str(number)


def tokenization_dir(tokenization_id: uuid.UUID) -> Path:
    return root() / "tokenizations" / str(tokenization_id)


def staging_dir(home: Path) -> Path:
    return home / "staging"


def tokenizer_path(sha256: str) -> Path:
    return root() / "tokenizers" / sha256 / "tokenizer.json"


def scratch_dir(name: str) -> Path:
    """A local folder of one attempt; its owner removes it."""
    path = Path(settings.SCRATCH_ROOT) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def publish(source: Path, target: Path) -> None:
    """Bring a finished, fsynced file from scratch to shared storage under its final name, all or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError:  # another file system
        near = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        shutil.copyfile(source, near)
        _fsync(near)
        near.replace(target)
        source.unlink()
    _fsync(target.parent)


def give_name(staged: Path, canonical: Path) -> None:
    """A second name for a staged file. The staged one stays, so that this can be done again after a crash."""
    canonical.parent.mkdir(parents=True, exist_ok=True)
    near = canonical.with_name(f".{canonical.name}.{uuid.uuid4().hex}")
    try:
        os.link(staged, near)
    except OSError:  # no hard links here
        shutil.copyfile(staged, near)
        _fsync(near)
    near.replace(canonical)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    near = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with near.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    near.replace(path)
    _fsync(path.parent)


def join(sources: Iterable[Path], target: Path) -> None:
    """One file of all, all or nothing. The sources stay, so that this can be done again after a crash."""
    near = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with near.open("wb") as file:
        for source in sources:
            with source.open("rb") as part:
                shutil.copyfileobj(part, file)
        file.flush()
        os.fsync(file.fileno())
    near.replace(target)
    _fsync(target.parent)


def is_importable(path: Path) -> bool:
    """Where it leads, through whatever links, is in one of IMPORT_DIRS, and in no folder of ours."""
    real, own = os.path.realpath(path), (settings.VAR, settings.STORAGE_ROOT, settings.SCRATCH_ROOT)
    inside = any(_is_inside(real, folder) for folder in settings.IMPORT_DIRS)
    return inside and not any(_is_inside(real, folder) for folder in own)


def check_importable(path: Path, name: str) -> None:
    """JobError otherwise. Again before each reading: somebody may have put a link there since."""
    if not is_importable(path):
        raise JobError(f"{name} leads out of the folders that may be imported from.", "Choose another file.")


def _is_inside(real: str, folder: Path) -> bool:
    return Path(real).is_relative_to(os.path.realpath(folder))


def size_of(path: Path) -> int:
    """0 where there is no such file yet."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def free_bytes() -> int:
    root().mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(root()).free


def has_scratch() -> bool:
    """Whether what is in scratch takes no more room when it is published."""
    root().mkdir(parents=True, exist_ok=True)
    return root().stat().st_dev == Path(settings.SCRATCH_ROOT).stat().st_dev


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def stale_entries(folder: Path) -> Iterable[Path]:
    """What nobody has touched for an hour."""
    horizon = time.time() - STALE_SECONDS
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            if entry.stat().st_mtime < horizon:
                yield entry
        except FileNotFoundError:
            continue


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
