"""What the pages of the administration have in common, here and in other apps."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from datasets_app import repair
from datasets_app.access import CONTROL, DELETE, can
from datasets_app.errors import JobError
from datasets_app.forms import NAME_IT
from datasets_app.jobs import Job
from datasets_app.models import (
    Event,
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


class OwnedForm(ModelForm):
    """A job's owner is not editable anywhere else, so the field is declared here."""

    owner = OwnerField(User.objects.order_by("username"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:
            self.fields["owner"].initial = self.instance.created_by_id
        if "name" in self.fields:
            self.fields["name"].error_messages["required"] = NAME_IT


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
