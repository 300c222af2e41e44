"""The work of an import: one file a shard, and at the end the parts of all files under their canonical names."""

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from datasets_app import first_rows, storage
from datasets_app.downloads import Download
from datasets_app.errors import Cancelled, JobError
from datasets_app.ingest.messages import is_messages
from datasets_app.jobs import Job
from datasets_app.leases import Claim
from datasets_app.models import Dataset, Import, Part
from datasets_app.signals import import_finishing
from datasets_app.slots import Keep

# The kind of a shard that is made here, from no file.
SAMPLE = "sample"
SAME_COLUMNS = "Give the files of one dataset the same columns, or import them as two datasets."
TEXT_TYPES = ("string", "large_string")


class ImportWork:
    model: type[Job] = Import
    child_module = "datasets_app.ingest.child"

    def request(self, claim: Claim, out: Path) -> dict[str, Any]:
        shard: Any = claim.shard
        upload = claim.job.upload  # type: ignore[attr-defined]
        if upload is not None and upload.is_on_server:
            storage.check_importable(Path(shard.path), shard.name)
        return {
            "do": "sample" if shard.kind == SAMPLE else "import",
            "path": shard.path,
            "kind": shard.kind,
            "name": shard.name,
            "options": how_to_read(claim.job.options),  # type: ignore[attr-defined]
            "out": str(out),
            "stem": claim.stem,
        }

    def learn(self, job: Job, message: dict[str, Any]) -> None:
        raise AssertionError(f"an import has nothing to learn from {message}")

    def home(self, job: Job) -> Path:
        return storage.dataset_dir(job.dataset_id)

    def finalize(self, job: Job, keep: Keep) -> None:
        staged = staged_parts(job)
        columns = common_columns(staged)
        most = job.options.get("rows")  # type: ignore[attr-defined]
        if most:
            staged = first_rows.cut(staged, most, storage.staging_dir(self.home(job)), keep)
        text_column = chosen_text_column(job.dataset, columns, staged)
        parts = [self._publish(job, part, keep) for part in staged]
        set_aside = self._publish_rejected(job)
        splits = split_facts(parts)
        rows = sum(part.rows for part in parts)
        facts = {
            "columns": columns,
            "text_column": text_column,
            "splits": splits,
            "rows": rows,
            "bytes": sum(part.bytes for part in parts),
            "fingerprint": fingerprint(parts),
            "content_version": F("content_version") + 1,
        }
        import_finishing.send(type(self), job=job, staging=storage.staging_dir(self.home(job)))
        with transaction.atomic():
            Part.objects.filter(dataset=job.dataset).delete()
            Part.objects.bulk_create(parts)
            Dataset.objects.filter(pk=job.dataset_id).update(**facts)
            if most:
                first_rows.recount(staged, job.pk)
            said = f"Import finished: {rows:,} rows in {', '.join(split['name'] for split in splits)}"
            said += f", {set_aside:,} set aside." if set_aside else "."
            if not job.complete(said, rows_total=rows + set_aside):
                raise Cancelled
        self._clean_up(job)

    def withdraw(self, job: Job) -> None:
        """Nothing: the parts are visible only through their rows in the database."""

    def _publish(self, job: Job, part: dict[str, Any], keep: Keep) -> Part:
        keep()
        name = f"part-{part['index']:05d}.parquet"
        canonical = storage.part_path(job.dataset_id, part["split"], name)
        storage.give_name(storage.staging_dir(self.home(job)) / part["name"], canonical)
        if canonical.stat().st_size != part["bytes"]:
            raise JobError(f"{part['name']} is not the size it was written with.", "Check the disk, then retry.")
        return Part(
            dataset=job.dataset,
            split=part["split"],
            index=part["index"],
            name=name,
            rows=part["rows"],
            bytes=part["bytes"],
            sha256=part["sha256"],
            row_groups=part["row_groups"],
        )

    def _publish_rejected(self, job: Job) -> int:
        """The bad rows of all files, in the order of the files. Returns how many."""
        files = [file for shard in job.shards.order_by("index") for file in shard.files if is_rejected(file)]
        if files:
            staging = storage.staging_dir(self.home(job))
            storage.join([staging / file["name"] for file in files], storage.rejected_path(job.dataset_id))
        return sum(file["rows"] for file in files)

    def _clean_up(self, job: Job) -> None:
        storage.remove(storage.staging_dir(self.home(job)))
        for download in Download.objects.filter(dataset=job.dataset_id):
            storage.remove(storage.download_dir(download.pk))
        upload = job.upload  # type: ignore[attr-defined]
        if upload is not None:
            storage.remove(storage.upload_dir(upload.pk))
            upload.delete()


def how_to_read(options: dict[str, Any]) -> dict[str, Any]:
    """What a child is told: the choices of an import, and the limit of this installation."""
    return {**options, "unpacked_limit_bytes": settings.UNPACKED_LIMIT_BYTES}


def is_rejected(file: dict[str, Any]) -> bool:
    return file.get("role") == "rejected"


def staged_parts(job: Job) -> list[dict[str, Any]]:
    """What the files became, in the order of the files, numbered within each split."""
    numbers: dict[str, int] = {}
    parts = []
    for shard in job.shards.order_by("index"):
        for part in shard.files:
            if "row_groups" not in part:  # another kind of file
                continue
            split = part.get("split", shard.split)
            index = numbers.get(split, 0)
            numbers[split] = index + 1
            parts.append({**part, "split": split, "index": index, "file": shard.name, "shard": shard.pk})
    return parts


def common_columns(parts: list[dict[str, Any]]) -> list[list[str]]:
    """The columns of all files, which have to have the same names. JobError says which file differs."""
    first = parts[0]
    names = [name for name, _ in first["columns"]]
    for part in parts:
        others = [name for name, _ in part["columns"]]
        if set(others) != set(names):
            odd = sorted(set(others) ^ set(names))[0]
            has, lacks = (part, first) if odd in others else (first, part)
            raise JobError(f"{has['file']} has a column {odd} and {lacks['file']} has none.", SAME_COLUMNS)
        check_types(first, part)
    return [[name, kind] for name, kind in first["columns"]]


def check_types(first: dict[str, Any], part: dict[str, Any]) -> None:
    """A column is text in all files or in none; numbers of different kinds get along."""
    kinds = dict(first["columns"])
    for name, kind in part["columns"]:
        if (kind in TEXT_TYPES) != (kinds[name] in TEXT_TYPES):
            raise JobError(
                f"The column {name} is {kinds[name]} in {first['file']} and {kind} in {part['file']}.", SAME_COLUMNS
            )


def chosen_text_column(dataset: Dataset, columns: list[list[str]], parts: list[dict[str, Any]]) -> str:
    """The column asked for, else the one with the most text; "" where there are only chats."""
    sizes = {name: 0 for name, kind in columns if kind in TEXT_TYPES}
    for part in parts:
        for group in part["row_groups"]:
            for name, size in group["bytes"].items():
                if name in sizes:
                    sizes[name] += size
    asked = dataset.text_column
    if not asked and not sizes and any(is_messages(kind) for _, kind in columns):
        return ""
    nulls = [name for name, kind in columns if kind == "null"]
    if asked in nulls or (nulls and not asked and not sizes):
        raise JobError(f"The column {asked or nulls[0]} is null in every row.", "Choose a column with text in it.")
    if not sizes or (asked and asked not in sizes):
        wanted = f"no text column {asked}" if asked else "no column of text"
        names = ", ".join(name for name, _ in columns)
        raise JobError(f"There is {wanted} in {parts[0]['file']}: it has {names}.", "Choose a column of text.")
    chosen = asked or max(sizes, key=lambda name: sizes[name])
    if not sizes[chosen]:
        raise JobError(f"The column {chosen} is empty in every row.", "Choose a column with text in it.")
    return chosen


def split_facts(parts: list[Part]) -> list[dict[str, Any]]:
    facts: dict[str, dict[str, Any]] = {}
    for part in parts:
        fact = facts.setdefault(part.split, {"name": part.split, "rows": 0, "bytes": 0, "text_bytes": {}})
        fact["rows"] += part.rows
        fact["bytes"] += part.bytes
        for group in part.row_groups:
            for name, size in group["bytes"].items():
                fact["text_bytes"][name] = fact["text_bytes"].get(name, 0) + size
    return list(facts.values())


def fingerprint(parts: list[Part]) -> str:
    """Of the content: the same files in the same splits give the same one, whatever the dataset is called."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.split}/{part.index}:{part.sha256}\n".encode())
    return digest.hexdigest()
