from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from datasets_app.access import CONTROL
from datasets_app.admin_pages import (
    NAMED_IN_CONFIRMATION,
    JobAdmin,
    OwnedForm,
    ShardAdmin,
    YardAdmin,
    link,
    require_staying,
)
from datasets_app.page import Request
from datasets_app.templatetags import figures
from tokenizations import repair
from tokenizations.engine.rules import OptionError
from tokenizations.forms import TextField
from tokenizations.models import Tokenization, TokenizationShard, Tokenizer


class RolesField(forms.JSONField):
    """Shows again what was typed: half a surrogate pair can be typed in JSON, and cannot be sent."""

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else super().prepare_value(value)


class TokenizerForm(OwnedForm):
    roles = RolesField(
        label="Roles",
        required=False,
        widget=AdminTextareaWidget,
        help_text='Its own tokens for bos, eos and pad, such as {"eos": "</s>"}. Without any they go by their names.',
    )
    chat_template = TextField(
        label="Chat template",
        required=False,
        widget=AdminTextareaWidget,
        help_text="In Jinja; it is tried on a small chat before it is saved.",
    )

    def clean_roles(self) -> Any:
        roles = self.cleaned_data["roles"]
        return {} if roles is None else roles

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                repair.check_edit(self.instance, {name: self.cleaned_data[name] for name in self.changed_data})
            except OptionError as error:
                self.add_error(error.option, f"{error} {error.advice}")
        return self.cleaned_data


@admin.register(Tokenizer)
class TokenizerAdmin(YardAdmin):
    form = TokenizerForm
    editable = {"name": "name", "owner": "created_by", "roles": "roles", "chat_template": "chat_template"}
    is_deletable = True
    list_display = ("name", "kind", "vocabulary_size", "specials_added", "uses", "source", "owner", "age")
    list_filter = ("kind", "created_at")
    search_fields = ("name", "sha256__startswith", "id__istartswith")
    readonly_fields = ("links",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        tokenizers: Any = super().get_queryset(request).select_related("created_by")
        found: QuerySet[Any] = tokenizers.annotate(of_it=Count("tokenizations"))
        return found

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Without Django's transaction: nobody else could write while a chat template is tried."""
        return self._changeform_view(request, *args, **kwargs)  # type: ignore[attr-defined]

    def edit(self, item: Any, changes: dict[str, Any], actor: User) -> None:
        repair.edit_tokenizer(item, changes)

    def remove(self, item: Any, actor: User) -> str:
        item.remove()
        return "Deleted with its file."

    def in_the_way(self, item: Any) -> list[str]:
        return [str(made) for made in item.tokenizations.select_related("dataset", "tokenizer")[:NAMED_IN_CONFIRMATION]]

    @admin.display(description="Tokenizations", ordering="of_it")
    def uses(self, tokenizer: Any) -> int:
        return int(tokenizer.of_it)

    @admin.display(description="See also")
    def links(self, tokenizer: Tokenizer) -> SafeString:
        return link(Tokenization, "Tokenizations", tokenizer=tokenizer.pk)


@admin.register(Tokenization)
class TokenizationAdmin(JobAdmin):
    is_deletable = True
    list_display = (
        "dataset", "tokenizer", "words", "status", "stage", "percent", "processed", "tokens", "shards_done",
        "elapsed", "owner", "age", "deletion",
    )  # fmt: skip
    search_fields = (*JobAdmin.search_fields, "tokenizer__name", "fingerprint__startswith")
    actions = (*JobAdmin.actions, "verify_files", "recount")
    related = (*JobAdmin.related, "tokenizer")

    def remove(self, item: Any, actor: User) -> str:
        require_staying(item)
        item.mark_for_deletion(actor)
        return "Deleted. The keeper removes its files as soon as no worker is at them."

    def going(self, item: Any) -> list[Any]:
        return [item.words, f"Its output, {figures.size(item.output_bytes)}"]

    @admin.action(permissions=["change"], description="Verify files")
    def verify_files(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.verify_tokenization, CONTROL)

    @admin.action(permissions=["change"], description="Recount from files")
    def recount(self, request: Request, queryset: QuerySet[Any]) -> None:
        self.each(request, queryset, repair.recount_tokenization, CONTROL)

    @admin.display(description="Options")
    def words(self, job: Any) -> str:
        return str(job.words)

    @admin.display(description="Tokens")
    def tokens(self, job: Any) -> str:
        return figures.number(job.total_tokens)


@admin.register(TokenizationShard)
class TokenizationShardAdmin(ShardAdmin):
    list_select_related = ("job__dataset", "job__tokenizer")
