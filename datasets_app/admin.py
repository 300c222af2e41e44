"""The operator's view of everything. What it changes goes through the same rules as everything else (see repair.py)."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import BooleanField, Count, ExpressionWrapper, Model, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from datasets_app import repair
from datasets_app.access import CONTROL, DELETE, can
from datasets_app.downloads import Download, DownloadShard
from datasets_app.errors import JobError
from datasets_app.forms import NAME_IT
from datasets_app.hub_tokens import HubToken
from datasets_app.jobs import Job, from_now
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
from datasets_app.page import Request, name_of
from datasets_app.progress import Progress
from datasets_app.templatetags import figures

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
    OwnerField = forms.ModelChoiceField[User]
else:
    ModelAdmin, ModelForm, OwnerField = admin.ModelAdmin, forms.ModelForm, forms.ModelChoiceField

DELETE_ACTION = "delete_selected"
ROWS_PER_PAGE = 50
# A confirmation that names more is not read.
NAMED_IN_CONFIRMATION = 50

admin.site.site_header = "Tokenyard administration"
admin.site.site_title = "Tokenyard"
admin.site.index_title = "Data and jobs"


class OwnedForm(ModelForm):
    """A job's owner is not editable anywhere else, so the field is declared here."""

    owner = OwnerField(User.objects.order_by("username"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:
            self.fields["owner"].initial = self.instance.created_by_id
        if "name" in self.fields:
            self.fields["name"].error_messages["required"] = NAME_IT


class DatasetForm(OwnedForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text_column" in self.fields:
            choices = [(name, name) for name in self.instance.text_columns]
            self.fields["text_column"] = forms.ChoiceField(choices=choices)


class YardAdmin(ModelAdmin):
    """Shows every field and changes only those that it names; nothing is added, nothing deleted."""

    # form field -> model field
    editable: ClassVar[dict[str, str]] = {}
    is_deletable: ClassVar[bool] = False
    deletion_words: ClassVar[str] = "Delete with files"
    exclude = ("created_by",)  # its form field is `owner`
    list_per_page = ROWS_PER_PAGE
    show_full_result_count = False
    actions_on_bottom = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.editable) and not is_leaving(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_deletable and not is_leaving(obj) and super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        changed = self.editable.values()
        shown = [field.name for field in self.opts.concrete_fields if field.name not in changed]
        return [*self.readonly_fields, *shown]

    # Edits

    def edit(self, item: Any, changes: dict[str, Any], actor: User) -> None:
        """Write the changed fields and no others. JobError if it cannot be."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        changes = {self.editable[name]: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            self.edit(obj, changes, reader(request))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().change_view(request, object_id, *args, **kwargs)
        except JobError as error:  # somebody was quicker than this form
            self.complain(request, error)
            return HttpResponseRedirect(request.get_full_path())

    # Actions

    def each(self, request: HttpRequest, items: Iterable[Any], do: Callable[[Any, User], str], right: str) -> None:
        """Do it to one after the other; every one gets a message of what happened, or why not."""
        for item in items:
            try:
                if not can(reader(request), right, item):
                    raise JobError("You may not do this.", "Ask its owner.")
                self.message_user(request, f"“{item}”: {do(item, reader(request))}", messages.SUCCESS)
            except JobError as error:
                self.complain(request, error, f"“{item}”: ")

    def complain(self, request: HttpRequest, error: JobError, subject: str = "") -> None:
        self.message_user(request, f"{subject}{error} {error.advice}".strip(), messages.ERROR)

    # Deletion, always with the files

    def remove(self, item: Any, actor: User) -> str:
        """Delete it by its model's own rule. JobError if it is in use."""
        raise NotImplementedError

    def going(self, item: Any) -> list[Any]:
        """What a confirmation names besides the thing itself."""
        return []

    def in_the_way(self, item: Any) -> list[str]:
        return []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if DELETE_ACTION in actions:
            actions[DELETE_ACTION] = (delete_with_files, DELETE_ACTION, self.deletion_words)
        return actions

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        items = list(objs)
        listed: list[Any] = []
        for item in items[:NAMED_IN_CONFIRMATION]:
            listed += [str(item), self.going(item)] if self.going(item) else [str(item)]
        forbidden = any(not can(reader(request), DELETE, item) for item in items)
        nouns = str(self.opts.verbose_name), str(self.opts.verbose_name_plural)
        blocking = [reason for item in items for reason in self.in_the_way(item)]
        return listed, {nouns[1]: len(items)}, {nouns[0]} if forbidden else set(), blocking[:NAMED_IN_CONFIRMATION]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.message_user(request, f"“{obj}”: {self.remove(obj, reader(request))}", messages.SUCCESS)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except JobError as error:
            self.complain(request, error)
            return HttpResponseRedirect(self.list_url)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        return HttpResponseRedirect(self.list_url)  # delete_model has said what happened

    @property
    def list_url(self) -> str:
        return list_url(self.model)

    # Columns

    @admin.display(description="Owner", ordering="created_by")
    def owner(self, item: Any) -> str:
        return name_of(item.created_by) or "nobody"

    @admin.display(description="Age", ordering="-created_at")
    def age(self, item: Any) -> str:
        return figures.age(item.created_at)

    @admin.display(description="Size", ordering="bytes")
    def size(self, item: Any) -> str:
        return figures.size(item.bytes)

    @admin.display(description="Deletion", ordering="delete_requested_at")
    def deletion(self, item: Any) -> str:
        return f"asked for {figures.age(item.delete_requested_at)}" if is_leaving(item) else ""


def delete_with_files(self: YardAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
    """Django's own action but for the last step: the confirmation is its page, what is confirmed is done here."""
    if not request.POST.get("post"):
        return delete_selected(self, request, queryset)

    def logged(item: Any, actor: User) -> str:
        with transaction.atomic():
            self.log_deletions(request, [item])  # type: ignore[arg-type]
            return self.remove(item, actor)

    self.each(request, queryset, logged, DELETE)
    return None


def reader(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def is_leaving(item: Any) -> bool:
    return getattr(item, "delete_requested_at", None) is not None


def require_staying(item: Any) -> None:
    """The models are silent about a second deletion; a message should not claim it."""
    if not type(item)._default_manager.filter(pk=item.pk, delete_requested_at=None).exists():
        raise repair.being_deleted()


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def link(model: type[Model], text: object, **query: object) -> SafeString:
    """To the list of these."""
    terms = "&".join(f"{name}={value}" for name, value in query.items())
    return format_html('<a href="{}?{}">{}</a>', list_url(model), terms, text)


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


class JobAdmin(YardAdmin):
    form = OwnedForm
    ordering = ("-created_at",)
    editable = {"owner": "created_by"}
    list_filter = ("status", "stage", ("delete_requested_at", admin.EmptyFieldListFilter), "created_at")
    search_fields: ClassVar[tuple[str, ...]] = ("dataset__name", "id__istartswith", "created_by__username")
    readonly_fields = ("percent", "links")
    actions: tuple[str, ...] = ("retry", "cancel", "mark_failed")
    related: ClassVar[tuple[str, ...]] = ("dataset", "created_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        jobs: Any = super().get_queryset(request)
        found: QuerySet[Any] = jobs.with_counts().select_related(*self.related)
        return found

    def edit(self, item: Any, changes: dict[str, Any], actor: User) -> None:
        repair.edit_job(item, changes, actor)

    @admin.action(permissions=["change"], description="Retry")
    def retry(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.retry, CONTROL)

    @admin.action(permissions=["change"], description="Cancel")
    def cancel(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.cancel, CONTROL)

    @admin.action(permissions=["change"], description="Mark as failed")
    def mark_failed(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.mark_failed, CONTROL)

    @admin.display(description="%")
    def percent(self, job: Job) -> str:
        return figures.percent(Progress(job).percent)

    @admin.display(description="Rows processed")
    def processed(self, job: Job) -> str:
        return figures.number(job.total_processed)

    @admin.display(description="Shards")
    def shards_done(self, job: Job) -> str:
        progress = Progress(job)
        return f"{progress.job.shards_done:,} of {progress.shards_total:,}"

    @admin.display(description="Elapsed")
    def elapsed(self, job: Job) -> str:
        return figures.clock(job.elapsed.total_seconds())

    @admin.display(description="See also")
    def links(self, job: Job) -> SafeString:
        shards = link(job.shard_model(), "Shards", job=job.pk)
        return format_html("{} · {}", shards, link(Event, "Events", job_id=job.pk))


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


class ShardAdmin(YardAdmin):
    list_display = ("job", "index", "where", "state", "done", "worker", "lease_until", "attempts", "deaths")
    list_filter = ("state", "split")
    search_fields = ("job__dataset__name", "job__id__istartswith", "worker")
    list_select_related: ClassVar[tuple[str, ...]] = ("job__dataset",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("files")

    @admin.display(description="Rows")
    def done(self, shard: Any) -> str:
        return f"{shard.processed:,} of {figures.number(shard.rows_total)}"


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
