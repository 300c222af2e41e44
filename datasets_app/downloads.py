"""Bringing the files of a repository here, a job of its own before the import that reads them."""

import hashlib
import json
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from datasets_app import storage
from datasets_app.hub_tokens import HubToken
from datasets_app.ingest.hub.part_file import bytes_there
from datasets_app.jobs import Job, Status
from datasets_app.shards import FileShard

NAME_LENGTH = 200
COMMIT_LENGTH = 64
# More than any dataset has, and what every process can count.
MOST_ROWS = 10**12


class Download(Job):
    """Of some splits of one configuration of a dataset on the Hub, at one commit."""

    dataset = models.OneToOneField("datasets_app.Dataset", models.CASCADE, related_name="download")
    repository = models.CharField(max_length=NAME_LENGTH)
    configuration = models.CharField(max_length=NAME_LENGTH)
    # As it was asked for, and the commit that it was then.
    revision = models.CharField(max_length=NAME_LENGTH)
    commit = models.CharField(max_length=COMMIT_LENGTH)
    page = models.CharField(max_length=1000)
    # Of all that decides what comes: a second request with the same joins the first.
    request_key = models.CharField(max_length=64)
    token = models.ForeignKey(HubToken, models.SET_NULL, null=True, blank=True, related_name="+")
    # A download that was asked for with a token is not tried without.
    needs_token = models.BooleanField(default=False)
    # For the import that follows.
    import_options = models.JSONField(default=dict, blank=True)
    # What the Hub has asked to wait for, and until when.
    waits_until = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=NAME_LENGTH, blank=True)

    kind = "download"
    noun = "download"
    piece = "file"
    queue = "import"
    actor = "import_files"
    advice_on_deaths: ClassVar[str] = "Retry it: what has come is kept."

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["request_key"], condition=models.Q(delete_requested_at=None), name="download_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Download of {self.repository}"

    @property
    def label(self) -> str:
        return "Download"

    @property
    def is_waiting(self) -> bool:
        return self.status == Status.RUNNING and self.waiting_seconds > 0

    @property
    def waiting_seconds(self) -> int:
        """How long the Hub still has to be waited for."""
        left = (self.waits_until or timezone.now()) - timezone.now()
        return max(math.ceil(left / timedelta(seconds=1)), 0)

    @property
    def why_waiting(self) -> str:
        """After “Waiting for the Hub”."""
        return re.sub("^the Hub ", "it ", self.waits_for)

    def get_absolute_url(self) -> str:
        return self.dataset.get_absolute_url()


class DownloadShard(FileShard):
    job = models.ForeignKey(Download, models.CASCADE, related_name="shards")
    name = models.CharField(max_length=1000)
    split = models.CharField(max_length=storage.LONGEST_SPLIT_NAME)
    # As `RemoteFile.to_dict` has it.
    file = models.JSONField()

    class Meta(FileShard.Meta):
        pass

    @property
    def path(self) -> Path:
        return storage.downloaded_path(self.job_id, self.index)

    def at_its_start(self) -> dict[str, Any]:
        """What has come stays on disk, whoever goes on with it."""
        return {**super().at_its_start(), "bytes_done": min(bytes_there(self.path), self.bytes_total)}


def request_key(
    endpoint: str, repository: str, commit: str, configuration: str, splits: list[str], rows: int | None
) -> str:
    asked = [endpoint, repository, commit, configuration, sorted(splits), rows]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def files_to_import(download: Download) -> list[dict[str, Any]]:
    """What `create_dataset` takes, of files that are here."""
    return [
        {
            "name": shard.name,
            "path": str(shard.path),
            "split": shard.split,
            "kind": shard.file["kind"],
            "bytes": shard.bytes_total,
        }
        for shard in DownloadShard.objects.filter(job=download).order_by("index")
    ]
