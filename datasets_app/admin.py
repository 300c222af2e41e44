"""The operator's view of everything. What it changes goes through the same rules as everything else (see repair.py)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import BooleanField, Count, ExpressionWrapper, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from datasets_app import repair
from datasets_app.access import CONTROL
from datasets_app.admin_pages import (
    NAMED_IN_CONFIRMATION,
    JobAdmin,
    ModelAdmin,
    OwnedForm,
    ShardAdmin,
    YardAdmin,
    link,
    require_staying,
)
from datasets_app.downloads import Download, DownloadShard
from datasets_app.hub_tokens import HubToken
from datasets_app.jobs import from_now
from datasets_app.lookups import LookUp
from datasets_app.models import (
    WORKER_SILENCE,
    Dataset,
    Event,
    Import,
    ImportShard,
    Part,
    Preference,
    Sample,
    Upload,
    Worker,
)
from datasets_app.page import Request
from datasets_app.progress import Progress
from datasets_app.templatetags import figures

admin.site.site_header = "Tokenyard administration"
admin.site.site_title = "Tokenyard"
admin.site.index_title = "Data and jobs"


class DatasetForm(OwnedForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text_column" in self.fields:
            choices = [(name, name) for name in self.instance.text_columns]
            self.fields["text_column"] = forms.ChoiceField(choices=choices)


@admin.register(Dataset)
class DatasetAdmin(YardAdmin):
    form = DatasetForm
    editable = {"name": "name", "owner": "created_by", "text_column": "text_column"}
    is_deletable = True
    list_display = (
        "name", "status", "percent", "row_count", "size", "tokenization_count", "source", "owner", "age", "deletion",
    )  # fmt: skip
    list_filter = ("import_job__status", "source", ("delete_requested_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "id__istartswith", "created_by__username")
    readonly_fields = ("links",)
    actions = ("verify_files", "recount")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        counted = Import.objects.with_counts()
        staying = Count("tokenizations", filter=Q(tokenizations__delete_requested_at=None))
        datasets: Any = super().get_queryset(request).select_related("created_by")
        fetched = Prefetch("import_job", counted), Prefetch("download", Download.objects.with_counts())
        found: QuerySet[Any] = datasets.prefetch_related(*fetched).annotate(of_it=staying)
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Before its import has ended nobody knows its columns."""
        shown = super().get_readonly_fields(request, obj)
        return shown if obj is None or obj.text_columns else [*shown, "text_column"]

    def edit(self, item: Any, changes: dict[str, Any], actor: User) -> None:
        repair.edit_dataset(item, changes, actor)

    def remove(self, item: Any, actor: User) -> str:
        require_staying(item)
        item.mark_for_deletion(actor)
        return "Deleted. The keeper removes its tokenizations and files as soon as no worker is at them."

    def going(self, item: Any) -> list[Any]:
        parts = f"{repair.counted_files(item.parts.count())}, {figures.size(item.bytes)}"
        made = item.tokenizations.select_related("dataset", "tokenizer")[:NAMED_IN_CONFIRMATION]
        return [parts, *(f"Tokenization: {each}, {each.words}" for each in made)]

    @admin.action(permissions=["change"], description="Verify files")
    def verify_files(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.verify_dataset, CONTROL)

    @admin.action(permissions=["change"], description="Recount from files")
    def recount(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.recount_dataset, CONTROL)

    @admin.display(description="Import", ordering="import_job__status")
    def status(self, dataset: Dataset) -> str:
        return str(bringing_in(dataset).get_status_display())

    @admin.display(description="%")
    def percent(self, dataset: Dataset) -> str:
        return figures.percent(Progress(bringing_in(dataset)).percent)

    @admin.display(description="Rows", ordering="rows")
    def row_count(self, dataset: Dataset) -> str:
        return figures.number(dataset.rows)

    @admin.display(description="Tokenizations", ordering="of_it")
    def tokenization_count(self, dataset: Any) -> int:
        return int(dataset.of_it)

    @admin.display(description="See also")
    def links(self, dataset: Any) -> SafeString:
        tokenizations: Any = dataset.tokenizations.model
        models = {"Import": Import, "Tokenizations": tokenizations, "Parts": Part, "Events": Event}
        if dataset.source == Dataset.Source.HUB:
            models = {"Download": Download, **models}
        links = ((link(model, text, dataset=dataset.pk),) for text, model in models.items())
        return format_html_join(" · ", "{}", links)


def bringing_in(dataset: Dataset) -> Any:
    """The import, or the download before it."""
    return dataset.begun_import or dataset.download


@admin.register(Import)
class ImportAdmin(JobAdmin):
    list_display = (
        "dataset", "status", "stage", "percent", "processed", "shards_done", "elapsed", "owner", "age", "deletion",
    )  # fmt: skip


@admin.register(Download)
class DownloadAdmin(JobAdmin):
    list_display = (
        "dataset", "repository", "status", "percent", "shards_done", "elapsed", "owner", "age", "deletion",
    )  # fmt: skip
    related = ("dataset", "created_by", "token")


@admin.register(ImportShard)
class ImportShardAdmin(ShardAdmin):
    pass


@admin.register(DownloadShard)
class DownloadShardAdmin(ShardAdmin):
    @admin.display(description="Received")
    def done(self, shard: Any) -> str:
        return f"{figures.size(shard.bytes_done)} of {figures.size(shard.bytes_total)}"


@admin.register(LookUp)
class LookUpAdmin(YardAdmin):
    list_display = ("repository", "of", "state", "failure", "created_by", "age")
    list_filter = ("of", "state", "created_at")
    search_fields = ("repository",)
    list_select_related = ("created_by",)


@admin.register(Part)
class PartAdmin(YardAdmin):
    list_display = ("dataset", "split", "name", "rows", "size", "sha256")
    search_fields = ("dataset__name", "sha256__startswith")
    list_select_related = ("dataset",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("row_groups")


@admin.register(Event)
class EventAdmin(YardAdmin):
    list_display = ("created_at", "dataset", "kind", "text", "actor")
    list_filter = ("kind", "created_at")
    search_fields = ("text", "dataset__name", "job_id__istartswith")
    list_select_related = ("dataset", "actor")


@admin.register(Sample)
class SampleAdmin(YardAdmin):
    list_display = ("dataset", "job_id", "second", "bytes_a_second", "tokens_a_second")
    search_fields = ("dataset__name", "job_id__istartswith")
    list_select_related = ("dataset",)

    @admin.display(description="Bytes/s", ordering="bytes_per_second")
    def bytes_a_second(self, sample: Sample) -> str:
        return figures.size(sample.bytes_per_second)

    @admin.display(description="Tokens/s encoded", ordering="tokens_per_second")
    def tokens_a_second(self, sample: Sample) -> str:
        return figures.number(sample.tokens_per_second)


@admin.register(Upload)
class UploadAdmin(YardAdmin):
    list_display = ("id", "names", "created_by", "is_whole", "age")
    list_select_related = ("created_by",)

    @admin.display(description="Files")
    def names(self, upload: Upload) -> str:
        return ", ".join(file["name"] for file in upload.files)


@admin.register(Worker)
class WorkerAdmin(YardAdmin):
    list_display = ("id", "queue", "slots", "is_alive", "started_at", "seen_at")
    list_filter = ("queue",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        here = ExpressionWrapper(Q(seen_at__gte=from_now(-WORKER_SILENCE)), output_field=BooleanField())
        found: QuerySet[Any] = super().get_queryset(request).annotate(is_here=here)
        return found

    @admin.display(description="Alive", boolean=True)
    def is_alive(self, worker: Any) -> bool:
        return bool(worker.is_here)


@admin.register(Preference)
class PreferenceAdmin(ModelAdmin):
    list_display = ("user", "theme")
    list_select_related = ("user",)


@admin.register(HubToken)
class HubTokenAdmin(YardAdmin):
    is_deletable = True
    deletion_words = "Delete for good"
    list_display = ("name", "owner", "last4", "kept", "created_at", "last_used_at")
    list_filter = ("kept",)
    search_fields = ("name", "owner__username")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("ciphertext")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for name in super().get_readonly_fields(request, obj) if name != "ciphertext"]

    def remove(self, item: Any, actor: User) -> str:
        item.delete()
        return "Deleted for good."
