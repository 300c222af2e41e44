import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError, Q
from django.db.models.functions import Now
from django.urls import reverse

from datasets_app import storage
from datasets_app.access import CONTROL, can
from datasets_app.errors import JobError
from datasets_app.jobs import Job, Status
from datasets_app.models import NAME_LENGTH, Dataset
from datasets_app.shards import Shard
from tokenizations.engine.columns import columns_of
from tokenizations.engine.roles import ROLES, guessed_roles
from tokenizations.engine.rules import OptionError, Traits, check, resolved
from tokenizations.engine.shards import plan
from tokenizations.engine.spec import Spec
from tokenizations.spec_words import length_words, other_words, short_length
from tokenizations.templates import check_chat_template

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LARGEST_TOKEN_ID = 2**31 - 1


class TokenizerQuerySet(models.QuerySet["Tokenizer"]):
    def visible(self) -> Self:
        return self.filter(delete_requested_at=None)

    def named(self, name_or_id: str) -> "Tokenizer":
        """By name or id. JobError if there is none."""
        found = self.visible().filter(name=name_or_id).first() or self._by_id(name_or_id)
        if found is None:
            raise JobError(f"There is no tokenizer {name_or_id}.", "Add one with add_tokenizer NAME PATH.")
        return found

    def _by_id(self, text: str) -> "Tokenizer | None":
        try:
            return self.visible().filter(pk=uuid.UUID(text)).first()
        except ValueError:
            return None


class Tokenizer(models.Model):
    """Pinned by the hash of its content, which is stored once under that hash."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=20)
    vocabulary_size = models.PositiveIntegerField()
    largest_id = models.PositiveBigIntegerField()
    special_tokens = models.JSONField(default=dict)
    # How many special tokens its template puts around a row.
    specials_added = models.PositiveSmallIntegerField()
    # Its own tokens for bos, eos and pad, as far as it has them.
    roles = models.JSONField(default=dict, blank=True)
    chat_template = models.TextField(blank=True)
    source = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    delete_requested_at = models.DateTimeField(null=True, blank=True)

    objects = TokenizerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(largest_id__lte=LARGEST_TOKEN_ID), name="tokenizer_ids_fit_int32"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return storage.tokenizer_path(self.sha256)

    @property
    def filled_in(self) -> dict[str, str]:
        """What a spec has of this tokenizer where nothing else was chosen."""
        own = self.traits
        return {"chat_template": own.chat_template, **{f"{role}_token": token for role, token in own.roles.items()}}

    @property
    def traits(self) -> Traits:
        # One that was added before roles were read has none.
        roles = self.roles or guessed_roles(self.special_tokens)
        special = frozenset(self.special_tokens) | frozenset(roles.values())
        return Traits(self.specials_added, roles, special, self.chat_template)

    def remove(self) -> None:
        """Delete it with its file. JobError if tokenizations were made with it."""
        try:
            with transaction.atomic():
                self.delete()
                transaction.on_commit(lambda: storage.remove(self.path.parent))
        except (ProtectedError, IntegrityError) as error:
            uses = self.tokenizations.visible().count()
            raise JobError(
                f"{self.name} is used by {uses or 'a few just deleted'} tokenizations.",
                "Delete them first." if uses else "Try again in a minute.",
            ) from error


class Tokenization(Job):
    """One dataset through one tokenizer with one spec."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="tokenizations")
    tokenizer = models.ForeignKey(Tokenizer, models.PROTECT, related_name="tokenizations")
    spec = models.JSONField()
    fingerprint = models.CharField(max_length=80)
    source_fingerprint = models.CharField(max_length=64)
    encoder = models.CharField(max_length=20, blank=True)
    encoder_reason = models.CharField(max_length=300, blank=True)
    # What came out; None until it is ready, or when an earlier version did not count it.
    statistics = models.JSONField(null=True, blank=True)
    output_bytes = models.PositiveBigIntegerField(null=True, blank=True)

    kind = "tokenization"
    counts_tokens = True
    noun = "tokenization"
    queue = "tokenize"
    actor = "tokenize_shards"
    advice_on_deaths: ClassVar[str] = "Take the longest rows out of the dataset, or allow a worker more memory."

    class Meta(Job.Meta):
        ordering = ["-created_at"]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["dataset", "fingerprint"], name="tokenization_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} with {self.tokenizer}"

    @property
    def label(self) -> str:
        return f"Tokenization with {self.tokenizer.name}"

    def get_absolute_url(self) -> str:
        return reverse("tokenizations:detail", args=[self.pk])

    @property
    def options(self) -> Spec:
        return Spec.from_dict(self.spec)

    @property
    def words(self) -> str:
        """What it was asked to do, so that it can be told from others."""
        return ", ".join([length_words(self.spec), *self._other_words])

    @property
    def short_words(self) -> str:
        return ", ".join([short_length(self.spec), *self._other_words])

    @property
    def _other_words(self) -> list[str]:
        own = {"text_column": self.dataset.main_column, "splits": self.dataset.split_names}
        return other_words(self.spec, own | self.tokenizer.filled_in)

    @property
    def path(self) -> Path:
        return storage.tokenization_dir(self.pk)

    def mark_for_deletion(self, actor: "User | None") -> bool:
        """From here on nobody sees it; the keeper removes its files and rows when no slot works on it.

        False if somebody else was faster.
        """
        with transaction.atomic():
            self.lock_dataset()
            mine = type(self).objects.filter(pk=self.pk, delete_requested_at=None)
            counted = mine.with_counts().first()
            if counted is None or not mine.update(delete_requested_at=Now(), fingerprint=f"deleted {self.pk}"):
                return False
            # the dataset's version makes up for the counters that leave the sum
            self.dataset.touch(counted.version + counted.total_version)
            self.tell("deleted", f"{self.label} deleted.", actor)
        return True


class TokenizationShard(Shard):
    """Some row groups of one part of one split."""

    job = models.ForeignKey(Tokenization, models.CASCADE, related_name="shards")
    split = models.CharField(max_length=storage.LONGEST_SPLIT_NAME)
    part = models.CharField(max_length=40)
    first_group = models.PositiveIntegerField()
    last_group = models.PositiveIntegerField()
    first_row = models.PositiveBigIntegerField()

    class Meta(Shard.Meta):
        pass

    def __str__(self) -> str:
        return f"{self.split} {self.index}"

    @property
    def title(self) -> str:
        return f"{self.split} {self.index + 1}"

    @property
    def where(self) -> str:
        last = self.first_row + (self.rows_total or 1) - 1
        return f"{self.split}, rows {self.first_row:,} to {last:,}"

    @property
    def place(self) -> str:
        return f"Shard {self.index + 1} ({self.where}): "


def tokenize(
    dataset: Dataset, tokenizer: Tokenizer, spec: Spec, user: "User | None", **hold: Any
) -> tuple[Tokenization, bool]:
    """The tokenization of this dataset, tokenizer and spec: a new one with its plan, or the one that there is.

    One that failed or was cancelled is queued again and keeps its finished shards. JobError if the spec does not fit or
    its chat template cannot be used; trying that takes some seconds, so call it outside of transactions.
    """
    spec = fitted(spec, dataset, tokenizer)
    fingerprint = spec.fingerprint(dataset.fingerprint, tokenizer.sha256)
    existing = Tokenization.objects.filter(fingerprint=fingerprint, dataset=dataset).first()
    if existing is None:
        if spec.chat:
            check_chat_template(spec.chat_template, {role: getattr(spec, f"{role}_token") for role in ROLES})
        try:
            return _create(dataset, tokenizer, spec, fingerprint, user, hold), True
        except IntegrityError:  # somebody asked for the same at the same moment
            existing = Tokenization.objects.get(dataset=dataset, fingerprint=fingerprint)
    if existing.status in (Status.FAILED, Status.CANCELLED, Status.PAUSED):
        if not can(user, CONTROL, existing):
            raise JobError(
                f"This tokenization is {existing.status}, and {existing.created_by or 'somebody else'} made it.",
                "Ask them to go on with it, or change an option.",
            )
        existing.requeue(user)
    return existing, False


def fitted(spec: Spec, dataset: Dataset, tokenizer: Tokenizer) -> Spec:
    """The spec with what dataset and tokenizer have of their own where it names nothing. JobError if it cannot be."""
    if not dataset.is_ready:
        raise JobError(f"{dataset} is not ready.", "Wait until its import is finished.")
    own_column = next(iter(dataset.chat_columns), "") if spec.chat else dataset.text_column
    text_column = "" if spec.template else spec.text_column or own_column
    spec = replace(spec, text_column=text_column, splits=spec.splits or tuple(dataset.split_names))
    if unknown := [split for split in spec.splits if split not in dataset.split_names]:
        raise OptionError(
            "splits", f"{dataset} has no split {unknown[0]}.", f"Choose from: {', '.join(dataset.split_names)}."
        )
    spec = resolved(spec, tokenizer.traits)
    check(spec, tokenizer.traits)
    check_columns(spec, dataset)
    return spec


def check_columns(spec: Spec, dataset: Dataset) -> None:
    """Raise OptionError unless the dataset has the columns that the text is made of."""
    option = "template" if spec.template else "text_column"
    usable, what = (dataset.chat_columns, "chat") if spec.chat else (dataset.text_columns, "text")
    if unknown := [column for column in columns_of(spec) if column not in usable]:
        advice = f"Choose one of: {', '.join(usable)}." if usable else "Choose another dataset."
        if spec.chat and unknown[0] in dataset.text_columns:
            advice = "Turn the chat off."
        if unknown[0] in dataset.chat_columns:
            advice = "It holds chats, which go into no template." if spec.template else "Turn the chat on."
        raise OptionError(option, f"{dataset} has no {what} column {unknown[0]}.", advice)


@transaction.atomic
def _create(
    dataset: Dataset, tokenizer: Tokenizer, spec: Spec, fingerprint: str, user: "User | None", hold: dict[str, Any]
) -> Tokenization:
    parts = dataset.parts.order_by("split", "index").values("split", "name", "row_groups")
    plans = plan(parts, spec)
    job = Tokenization.objects.create(
        dataset=dataset,
        tokenizer=tokenizer,
        spec=spec.to_dict(),
        fingerprint=fingerprint,
        source_fingerprint=dataset.fingerprint,
        created_by=user,
        rows_total=sum(shard.rows for shard in plans),
        bytes_total=sum(shard.bytes for shard in plans),
        **hold,
    )
    TokenizationShard.objects.bulk_create(
        (
            TokenizationShard(
                job=job,
                index=index,
                split=shard.split,
                part=shard.part,
                first_group=shard.first_group,
                last_group=shard.last_group,
                first_row=shard.first_row,
                rows_total=shard.rows,
                bytes_total=shard.bytes,
            )
            for index, shard in enumerate(plans)
        ),
        batch_size=1000,
    )
    job.tell("queued", f"{job.label} queued.", user)
    if not hold:
        job.wake()
    return job
