import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now
from django.urls import reverse

from datasets_app import live, storage
from datasets_app.downloads import Download, DownloadShard  # noqa: F401 - as above
from datasets_app.errors import JobError
from datasets_app.fields import MaskedTextField
from datasets_app.hub_tokens import HubToken  # noqa: F401 - Django looks for models here
from datasets_app.ingest.messages import is_messages
from datasets_app.ingest.options import TextRows
from datasets_app.jobs import Job, Status, from_now
from datasets_app.lookups import LookUp  # noqa: F401 - as above
from datasets_app.shards import FileShard, Shard

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WORKER_SILENCE = timedelta(seconds=15)
NAME_LENGTH = 120
LONGEST_FILE_NAME = 300
UPLOADS_KEPT = timedelta(days=1)
TOUCHED = timedelta(minutes=1)


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible(self) -> Self:
        return self.filter(delete_requested_at=None)

    def ready(self) -> Self:
        return self.visible().filter(import_job__status=Status.READY)

    def named(self, name_or_id: str) -> "Dataset":
        """By name or id. JobError if there is none."""
        found = self.visible().filter(name=name_or_id).first() or self._by_id(name_or_id)
        if found is None:
            raise JobError(f"There is no dataset {name_or_id}.", "See the names with list_datasets.")
        return found

    def _by_id(self, text: str) -> "Dataset | None":
        try:
            return self.visible().filter(pk=uuid.UUID(text)).first()
        except ValueError:
            return None


class Dataset(models.Model):
    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        HUB = "hub", "Hugging Face Hub"
        SERVER = "server", "Server files"
        SAMPLE = "sample", "Sample"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    source = models.CharField(max_length=10, choices=Source)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    # Grows with every change that redraws the card's frame; figures have versions of their own.
    version = models.PositiveBigIntegerField(default=1)
    # Of what its page shows of its rows and columns; grows when they are there, and when they change.
    content_version = models.PositiveIntegerField(default=1)
    text_column = models.CharField(max_length=200, blank=True)
    # [[name, type]], and the same facts per split: [{"name", "rows", "bytes", "text_bytes"}]
    columns = models.JSONField(default=list, blank=True)
    splits = models.JSONField(default=list, blank=True)
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    bytes = models.PositiveBigIntegerField(null=True, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    delete_requested_at = models.DateTimeField(null=True, blank=True)

    objects = DatasetQuerySet.as_manager()

    if TYPE_CHECKING:
        tokenizations: Any

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["-created_at"], name="dataset_by_age")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("datasets:detail", args=[self.pk])

    @classmethod
    def jobs_models(cls) -> list[type[Job]]:
        names = ("download", "import_job", "tokenizations")
        return [cls._meta.get_field(name).related_model for name in names]  # type: ignore[misc]

    @property
    def is_ready(self) -> bool:
        return self.begun_import is not None and self.begun_import.status == Status.READY

    @property
    def begun_import(self) -> "Import | None":
        """None while its files are still being downloaded."""
        return getattr(self, "import_job", None)

    @property
    def text_columns(self) -> list[str]:
        return [name for name, kind in self.columns if kind in ("string", "large_string")]

    @property
    def chat_columns(self) -> list[str]:
        """Columns of messages: lists of `{role, content}` or `{from, value}`."""
        return [name for name, kind in self.columns if is_messages(kind)]

    @property
    def main_column(self) -> str:
        """What is tokenized where nothing else is chosen: the text column, or else the first of chats."""
        return self.text_column or next(iter(self.chat_columns), "")

    @property
    def rows_set_aside(self) -> int:
        """Bad rows that its import has left out; `storage.rejected_path` lists them."""
        return max((self.import_job.rows_total or 0) - (self.rows or 0), 0)

    @property
    def split_names(self) -> list[str]:
        return [split["name"] for split in self.splits]

    def touch(self, by: int = 1) -> None:
        type(self).objects.filter(pk=self.pk).update(version=F("version") + by)

    def jobs(self) -> list[Job]:
        bringing_in = [job for job in (getattr(self, "download", None), self.begun_import) if job]
        return [*bringing_in, *self.tokenizations.select_related("tokenizer")]

    def mark_for_deletion(self, actor: "User | None") -> bool:
        """From here on nobody sees it; running work hears of it with its next report, the keeper removes the rest.

        False if somebody else was faster.
        """
        with transaction.atomic():
            gone = type(self).objects.visible().filter(pk=self.pk)
            free_name = f"{self.name[: NAME_LENGTH - 40]} {self.pk}"
            if not gone.update(delete_requested_at=Now(), name=free_name, version=F("version") + 1):
                return False
            for model in self.jobs_models():
                jobs: Any = model.objects.filter(**{"dataset": self}, delete_requested_at=None)
                jobs.update(delete_requested_at=Now(), version=F("version") + 1)
            self.events.create(kind="deleted", text="Deleted.", actor=actor)
            live.hint(self.pk)
        return True


class Import(Job):
    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="import_job")
    upload = models.ForeignKey("Upload", models.SET_NULL, null=True, blank=True, related_name="imports")
    options = models.JSONField(default=dict, blank=True)

    kind = "import"
    noun = "import"
    piece = "file"
    queue = "import"
    actor = "import_files"
    advice_on_deaths: ClassVar[str] = "Split the file into smaller ones, or shorten its longest rows, and import again."

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return f"Import of {self.dataset}"

    @property
    def label(self) -> str:
        return "Import"

    def get_absolute_url(self) -> str:
        return self.dataset.get_absolute_url()

    @property
    def has_choices(self) -> bool:
        return self.upload_id is not None or self.dataset.source == Dataset.Source.HUB

    def change(self, actor: "User | None", text_column: str, options: dict[str, Any], **fields: Any) -> bool:
        """Retry with other choices. Files that would be read in another way are read again.

        False, and `fields`, as of `requeue`.
        """
        reads_anew = how_files_are_read(options) != how_files_are_read(self.options)
        if reads_anew:
            fields["bytes_mark"] = 0
        with transaction.atomic():
            if not self.requeue(actor, options=options, **fields):
                return False
            if reads_anew:  # a slot that still reads in the old way loses its shard, and hears of it
                unread = {"state": Shard.State.WAITING, "lease_token": None, "files": [], **Shard.NOTHING_DONE}
                self.shards.update(version=F("version") + 1, **unread)
            Dataset.objects.filter(pk=self.dataset_id).update(text_column=text_column)
        return True

    def check_errored(self, share: float) -> None:
        """Its own limit of bad rows counts, for all files together."""
        limit = self.options.get("bad_rows", 0)
        errored = self.shards.aggregate(errored=Coalesce(Sum("errored"), 0))["errored"]
        if errored > limit:
            raise JobError(
                f"{errored:,} rows are bad in all files together, and {limit:,} may be set aside.",
                "Repair the files, or allow more bad rows.",
            )


def how_files_are_read(options: dict[str, Any]) -> dict[str, Any]:
    """Of an import's options those that decide what a file becomes."""
    return {"text": TextRows.LINES.value} | {
        name: value for name, value in options.items() if name not in ("rows", "bad_rows")
    }


class ImportShard(FileShard):
    job = models.ForeignKey(Import, models.CASCADE, related_name="shards")
    name = models.CharField(max_length=LONGEST_FILE_NAME)
    path = models.CharField(max_length=4096)
    split = models.CharField(max_length=storage.LONGEST_SPLIT_NAME)
    kind = models.CharField(max_length=10)

    class Meta(FileShard.Meta):
        pass


class Part(models.Model):
    """One Parquet file of a split, with what planning needs to know of its row groups."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="parts")
    split = models.CharField(max_length=storage.LONGEST_SPLIT_NAME)
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=40)
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    # [{"rows": n, "bytes": {text column: bytes of text}}]
    row_groups = models.JSONField()

    class Meta:
        ordering = ["split", "index"]
        constraints = [models.UniqueConstraint(fields=["dataset", "split", "index"], name="part_once")]

    def __str__(self) -> str:
        return f"{self.split}/{self.name}"

    @property
    def path(self) -> Path:
        return storage.part_path(self.dataset_id, self.split, self.name)


class Event(models.Model):
    """What happened to a dataset or one of its jobs, in a sentence, and by whom."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="events")
    job_id = models.UUIDField(null=True, blank=True)
    kind = models.CharField(max_length=20)
    text = MaskedTextField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    # Of which job it is, where a page shows those of several.
    about = ""

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["job_id"], name="event_by_job")]

    def __str__(self) -> str:
        return self.text


class Sample(models.Model):
    """How fast a job was at one second of its run, as its card showed it."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="samples")
    job_id = models.UUIDField()
    # Of the time that the job was running, pauses apart.
    second = models.PositiveIntegerField()
    bytes_per_second = models.FloatField()
    tokens_per_second = models.FloatField()

    class Meta:
        ordering = ["job_id", "second"]
        constraints = [models.UniqueConstraint(fields=["job_id", "second"], name="sample_once")]

    def __str__(self) -> str:
        return f"{self.second} s"


class UploadQuerySet(models.QuerySet["Upload"]):
    def of(self, user: "User") -> Self:
        return self.filter(created_by=user)

    def waiting(self) -> Self:
        """Those of which nothing has been made yet."""
        return self.filter(imports=None)

    def forgotten(self) -> Self:
        return self.waiting().filter(touched_at__lt=from_now(-UPLOADS_KEPT))


class Upload(models.Model):
    """Files that are being sent, wait for their preview to be confirmed, or for their import to be done."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    # When somebody last did something for it; a minute late.
    touched_at = models.DateTimeField(db_default=Now())
    # Of those that are sent in pieces only at the end; how far each file is says its size on disk.
    is_whole = models.BooleanField(default=True)
    # [{"name", "stored", "kind", "bytes", "modified"}]: only `stored`, a number of ours, is ever part of a path. A file
    # that lies on the server has a "path" instead, which was checked, and is read where it is.
    files = models.JSONField(default=list)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{len(self.files)} files of {self.created_by}"

    @property
    def source(self) -> str:
        return Dataset.Source.SERVER if self.is_on_server else Dataset.Source.UPLOAD

    @property
    def is_on_server(self) -> bool:
        return any("path" in file for file in self.files)

    @property
    def bytes(self) -> int:
        """That it takes here, or will."""
        return 0 if self.is_on_server else sum(file["bytes"] for file in self.files)

    def path(self, file: dict[str, Any]) -> Path:
        """JobError if a file of the server no longer lies where it may be imported from."""
        if "path" not in file:
            return storage.upload_dir(self.pk) / str(file["stored"])
        storage.check_importable(Path(file["path"]), file["name"])
        return Path(file["path"])

    def sent(self, file: dict[str, Any]) -> int:
        """How many of its bytes are here."""
        return storage.size_of(self.path(file))

    @property
    def sent_bytes(self) -> int:
        return sum(self.sent(file) for file in self.files)

    def touch(self) -> None:
        """So that the keeper leaves it. Not with every piece: each would be a write to the database."""
        type(self).objects.filter(pk=self.pk, touched_at__lt=from_now(-TOUCHED)).update(touched_at=Now())

    def finish(self) -> bool:
        """True once every byte of every file is here."""
        if not self.is_whole and all(self.sent(file) == file["bytes"] for file in self.files):
            type(self).objects.filter(pk=self.pk).update(is_whole=True, touched_at=Now())
            self.is_whole = True
        return self.is_whole

    def forget(self) -> bool:
        """Remove it with its files, unless it is being imported."""
        if not type(self).objects.filter(pk=self.pk, imports=None).delete()[0]:
            return False
        storage.remove(storage.upload_dir(self.pk))
        return True


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> Self:
        return self.filter(seen_at__gte=from_now(-WORKER_SILENCE))

    def there_since(self, moment: datetime, queue: str) -> bool:
        """Some worker of this queue has been there all the time."""
        return self.alive().filter(queue=queue, started_at__lte=moment).exists()

    def slots(self, queue: str) -> int:
        """How many shards of this queue can be worked on at once, over all machines."""
        return self.slots_by_queue().get(queue, 0)

    def slots_by_queue(self) -> dict[str, int]:
        return dict(self.alive().order_by().values_list("queue").annotate(Sum("slots")))


class Worker(models.Model):
    """A worker process that was alive a moment ago. Says who is there; decides nothing about who may do what."""

    id = models.CharField(primary_key=True, max_length=200)
    queue = models.CharField(max_length=20)
    slots = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["queue", "id"]

    def __str__(self) -> str:
        return self.id


class Preference(models.Model):
    class Theme(models.TextChoices):
        DARK = "dark", "Dark"
        LIGHT = "light", "Light"
        SYSTEM = "system", "As the system"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preference")
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.DARK)

    def __str__(self) -> str:
        return f"Preferences of {self.user}"
