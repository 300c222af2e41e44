"""The work of a download: one file a shard, and at the end an import of them all."""

from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from datasets_app import storage
from datasets_app.access import can
from datasets_app.creating import check_name, check_splits, start_import
from datasets_app.downloads import Download, DownloadShard, files_to_import, request_key
from datasets_app.errors import Cancelled, JobError
from datasets_app.hub_tokens import HubToken
from datasets_app.jobs import Job, Stage
from datasets_app.leases import Claim
from datasets_app.models import Dataset, Import
from datasets_app.names import shown_name
from datasets_app.slots import Keep
from datasets_app.templatetags.figures import size

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A new moment to wait for is written down only when it differs by more than the page would show.
NOTICED_SECONDS = 1.0
# The split of a file, and the file as `RemoteFile.to_dict` has it.
SplitFile = tuple[str, dict[str, Any]]


class NameTaken(JobError):
    """By another dataset."""


class Outcome(Enum):
    """Of a request for a dataset of the Hub."""

    NEW = auto()
    # It had failed or was cancelled, and goes on as it is asked for now.
    RESUMED = auto()
    # It is here, or on its way.
    THERE = auto()


class DownloadWork:
    model: type[Job] = Download
    child_module = "datasets_app.ingest.hub.child"

    def request(self, claim: Claim, out: Path) -> dict[str, Any]:
        job, shard = claim.job, claim.shard
        assert isinstance(job, Download)
        assert isinstance(shard, DownloadShard)
        shard.path.parent.mkdir(parents=True, exist_ok=True)
        job.reach(Stage.DOWNLOADING)
        return {
            "do": "download",
            "file": shard.file,
            "target": str(shard.path),
            "token": revealed(job),
            "allowed_hosts": settings.HUB_HOSTS,
        }

    def learn(self, job: Job, message: dict[str, Any]) -> None:
        """The Hub has to be waited for."""
        assert isinstance(job, Download)
        until = timezone.now() + timedelta(seconds=message["waiting"])
        if job.waits_until and abs(job.waits_until - until) < timedelta(seconds=NOTICED_SECONDS):
            return
        job.waits_until, job.waits_for = until, message["why"]
        waits = {"waits_until": until, "waits_for": message["why"], "version": F("version") + 1}
        Download.objects.filter(pk=job.pk).update(**waits)

    def home(self, job: Job) -> Path:
        return storage.download_dir(job.pk)

    def finalize(self, job: Job, keep: Keep) -> None:
        assert isinstance(job, Download)
        shards = list(DownloadShard.objects.filter(job=job))
        for shard in shards:
            keep()
            if not shard.path.exists() or shard.path.stat().st_size != shard.bytes_total:
                raise JobError(f"{shard.name} is not as it came.", "Check the disk, then download it again.")
        dataset = Dataset.objects.select_related("created_by").get(pk=job.dataset_id)
        noun = "file" if len(shards) == 1 else "files"
        with transaction.atomic():
            if not job.complete(f"Download finished: {len(shards):,} {noun}."):
                raise Cancelled
            who = {"created_by": job.created_by, "actor": job.created_by}
            imported = start_import(dataset, files_to_import(job), options=job.import_options, **who)
            if job.token_id:
                HubToken.objects.release(job.token_id)
        imported.wake()

    def withdraw(self, job: Job) -> None:
        """Nothing: what has come is kept for a retry."""


def revealed(job: Download) -> str | None:
    """The token that was chosen. JobError if it is gone, or the job is no longer its owner's."""
    if not job.needs_token:
        return None
    if job.token is None or (job.token.owner_id != job.created_by_id and job.created_by_id is not None):
        raise JobError(
            "The token of this download has been deleted.",
            "Look the dataset up again with another one, and it goes on from here.",
        )
    return job.token.reveal()


def download_dataset(
    listing: dict[str, Any], name: str, splits: list[str], endpoint: str, **fields: Any
) -> tuple[Dataset, Outcome]:
    """A dataset with its queued download. The same request joins the one that is there, whatever it is called.

    `listing` is a DatasetListing as a dictionary. `fields`: created_by, token, text_column, rows (of each split, None
    for all), options (how the files are read), hold. JobError if the name is taken or the disk too small.
    """
    check_name(name)
    check_splits(set(splits))
    token, rows = fields.get("token"), fields.get("rows")
    assert token is None or can(fields.get("created_by"), "use", token), "a form or a command has checked it"
    files = chosen_files(listing, splits)
    key = request_key(endpoint, listing["name"], listing["sha"], listing["configuration"], splits, rows)
    if there := same(key):
        return there, joined(there, fields)
    check_room(sum(file["bytes"] for _, file in files))
    try:
        with transaction.atomic():
            job = queued(listing, name, files, key, fields)
    except IntegrityError as error:
        if there := same(key):  # somebody was faster
            return there, Outcome.THERE
        raise NameTaken(f"There is already a dataset named {name}.", "Choose another name.") from error
    if not fields.get("hold"):
        job.wake()
    return job.dataset, Outcome.NEW


def joined(dataset: Dataset, fields: dict[str, Any]) -> Outcome:
    """What failed or was cancelled is set going by whoever could look it up, with their token and their choices."""
    job = dataset.begun_import or dataset.download
    if not job.is_retriable:
        return Outcome.THERE
    user, text_column = fields.get("created_by"), fields.get("text_column", "")
    begun = {"created_by": user or job.created_by, **(fields.get("hold") or {})}
    if isinstance(job, Import):
        is_ours = job.change(user, text_column, import_options(fields), **begun)
    else:
        is_ours = go_on(job, user, text_column, fields.get("token"), import_options=import_options(fields), **begun)
    return Outcome.RESUMED if is_ours else Outcome.THERE


def go_on(job: Download, user: "User | None", text_column: str, token: HubToken | None, **fields: Any) -> bool:
    """With another token and what has come. False, and `fields`, as of `requeue`; JobError if the disk is too small."""
    check_room(bytes_to_come(job.shards.all()))
    before = job.token_id
    with transaction.atomic():
        if not job.requeue(user, token=token, needs_token=token is not None, **fields):
            return False
        Dataset.objects.filter(pk=job.dataset_id).update(text_column=text_column)
        if before and (token is None or before != token.pk):
            HubToken.objects.release(before)
    return True


def import_options(fields: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = fields.get("options") or {}
    return options | ({"rows": fields["rows"]} if fields.get("rows") else {})


def queued(listing: dict[str, Any], name: str, files: list[SplitFile], key: str, fields: dict[str, Any]) -> Download:
    """The rows of it all. IntegrityError for a name or a request that is there already."""
    user, token = fields.get("created_by"), fields.get("token")
    dataset = Dataset.objects.create(
        name=name, source=Dataset.Source.HUB, created_by=user, text_column=fields.get("text_column", "")
    )
    job = Download.objects.create(
        dataset=dataset,
        created_by=user,
        repository=listing["name"],
        configuration=listing["configuration"],
        revision=listing["revision"],
        commit=listing["sha"],
        page=listing["page"],
        request_key=key,
        token=token,
        needs_token=token is not None,
        import_options=import_options(fields),
        bytes_total=sum(file["bytes"] for _, file in files),
        **fields.get("hold") or {},
    )
    DownloadShard.objects.bulk_create(
        DownloadShard(
            job=job, index=index, name=shown_name(file["path"]), split=split, file=file, bytes_total=file["bytes"]
        )
        for index, (split, file) in enumerate(files)
    )
    job.tell("queued", "Download queued.", user)
    return job


def same(key: str) -> Dataset | None:
    return Dataset.objects.visible().filter(download__request_key=key, download__delete_requested_at=None).first()


def chosen_files(listing: dict[str, Any], splits: list[str]) -> list[SplitFile]:
    """With the split of each, in the order of the listing. Empty ones are left out, as they have no rows.

    JobError for a split that is not there, or has nothing else.
    """
    known = [split["name"] for split in listing["splits"]]
    if missing := [split for split in splits if split not in known]:
        raise JobError(f"{listing['name']} has no split called {missing[0]}.", f"Choose among {', '.join(known)}.")
    if not splits:
        raise JobError("No split is chosen.", f"Choose among {', '.join(known)}.")
    chosen = [split for split in listing["splits"] if split["name"] in splits]
    if empty := [split["name"] for split in chosen if not any(file["bytes"] for file in split["files"])]:
        raise JobError(f"Every file of the split {empty[0]} is empty.", "Leave it out.")
    return [(split["name"], file) for split in chosen for file in split["files"] if file["bytes"]]


def check_room(wanted: int) -> None:
    """JobError if so many bytes do not fit the disk, beside what other downloads have yet to bring.

    What they become needs room too.
    """
    on_their_way = bytes_to_come(DownloadShard.objects.filter(job__in=Download.objects.visible().unfinished()))
    free = max(storage.free_bytes() - on_their_way, 0)
    if wanted > free:
        beside = f" beside {size(on_their_way)} of other downloads" if on_their_way else ""
        raise JobError(
            f"{size(wanted)} are to be downloaded, and the disk has room for {size(free)}{beside}.",
            "Free some space, or choose fewer splits.",
        )


def bytes_to_come(shards: QuerySet[DownloadShard]) -> int:
    return int(shards.aggregate(left=Coalesce(Sum(F("bytes_total") - F("bytes_done")), 0))["left"])
