"""Questions to the Hub, which are asked outside of any page's request: a row each, answered by a worker."""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from datasets_app import wakeups
from datasets_app.fields import MaskedTextField
from datasets_app.hub_tokens import HubToken
from datasets_app.jobs import from_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Who waits for an answer does not wait for the files of others.
QUEUE, FETCH_QUEUE = "look-up", "fetch"
NAME_LENGTH = 200
# A child gives up before; whoever was at it then is gone. Who fetches files says so meanwhile, but not while the last
# of them are read.
LOST_AFTER, FILES_LOST_AFTER = timedelta(seconds=40), timedelta(minutes=3)
KEPT_FOR = timedelta(days=1)
REPLACED = "Another question of yours came before this one was asked."


class LookUpQuerySet(models.QuerySet["LookUp"]):
    def of(self, user: "User") -> Self:
        """Who may use a token may not show others what it opens."""
        return self.filter(created_by=user)

    def waiting(self, *kinds: str) -> Self:
        """Of these kinds, or of all."""
        waiting = self.filter(state=LookUp.State.WAITING)
        return waiting.filter(of__in=kinds) if kinds else waiting

    def lost(self) -> Self:
        files = Q(of=LookUp.Of.FILES)
        late = Q(asked_at__lt=from_now(-LOST_AFTER)) & ~files | Q(asked_at__lt=from_now(-FILES_LOST_AFTER)) & files
        return self.filter(late, state=LookUp.State.ASKING)

    def old(self) -> Self:
        return self.filter(created_at__lt=from_now(-KEPT_FOR))


class LookUp(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting"
        ASKING = "asking"
        ANSWERED = "answered"
        REFUSED = "refused"

    class Of(models.TextChoices):
        DATASET = "dataset"
        TOKENIZER = "tokenizer"
        # The files themselves of a tokenizer that was looked up, to be added under a name.
        FILES = "files"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    of = models.CharField(max_length=10, choices=Of)
    repository = models.CharField(max_length=NAME_LENGTH)
    revision = models.CharField(max_length=NAME_LENGTH, default="main")
    configuration = models.CharField(max_length=NAME_LENGTH, blank=True)
    token = models.ForeignKey(HubToken, models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField(null=True, blank=True)
    # {"listing", "preview", "problem"}, as the child that talks to the Hub gives them. Before it is answered already:
    # {"hint"}; of files {"listing", "name"} and, once told, {"received", "waiting"}: bytes, and seconds to wait.
    answer = models.JSONField(default=dict, blank=True)
    # As JobError.kind has it.
    kind = models.CharField(max_length=30, blank=True)
    failure = MaskedTextField(blank=True)
    advice = MaskedTextField(blank=True)

    objects = LookUpQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.of} {self.repository}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def listing(self) -> dict[str, Any]:
        return dict(self.answer.get("listing", {}))

    def before(self) -> int:
        """How many questions are asked before this one, while it waits."""
        if self.state != self.State.WAITING:
            return 0
        kinds = LOOK_UPS if self.of in LOOK_UPS else (self.of,)
        return LookUp.objects.waiting(*kinds).filter(created_at__lt=self.created_at).exclude(pk=self.pk).count()

    def known_configurations(self) -> list[str]:
        """Those of its repository, from what the same person was told last; with the one that was asked for."""
        told = LookUp.objects.of(self.created_by).filter(of=self.of, repository=self.repository)
        last = told.filter(state=self.State.ANSWERED).first()
        known: list[str] = last.listing.get("configurations", []) if last else []
        return known if self.configuration in ("", *known) else [*known, self.configuration]

    @classmethod
    def ask(cls, user: "User", **what: Any) -> Self:
        """Leave a question for the workers; a waiting look-up of the same person is given up. `what` are its fields."""
        if what["of"] in LOOK_UPS:
            waiting = LookUp.objects.of(user).waiting(*LOOK_UPS)
            waiting.update(state=cls.State.REFUSED, failure=REPLACED, advice="Ask it again.")
        asked = cls._default_manager.create(created_by=user, **what)
        asked.wake()
        return asked  # type: ignore[return-value]

    def wake(self) -> None:
        wakeups.wake(*ACTORS[LookUp.Of(self.of)], 1)

    def take(self) -> bool:
        """Compare and swap: False if somebody else is at it."""
        mine = LookUp.objects.waiting().filter(pk=self.pk)
        return mine.update(state=self.State.ASKING, asked_at=Now()) > 0

    def report(self, **progress: Any) -> bool:
        """Say how far it is, and that somebody is at it. False if it was cancelled."""
        self.answer |= progress
        return self._being_asked().update(asked_at=Now(), answer=self.answer) > 0

    def settle(self, answer: dict[str, Any]) -> None:
        """Unless it was refused or cancelled meanwhile."""
        self._being_asked().update(state=self.State.ANSWERED, answer=answer)

    def refuse(self, failure: str, advice: str, kind: str = "") -> None:
        why = {"failure": failure, "advice": advice, "kind": kind}
        self._being_asked().update(state=self.State.REFUSED, **why)

    def cancel(self) -> bool:
        """It goes, whoever is at it. False if it was over before."""
        deleted, _ = LookUp.objects.filter(pk=self.pk, state__in=UNDER_WAY).delete()
        return deleted > 0

    def _being_asked(self) -> LookUpQuerySet:
        return LookUp.objects.filter(pk=self.pk, state=self.State.ASKING)


@receiver(pre_delete, sender=HubToken)
def refuse_without_token(instance: HubToken, **kwargs: Any) -> None:
    """What was asked with a token is not asked without it, and nothing is done with the answer."""
    asked = LookUp.objects.filter(token=instance).exclude(state=LookUp.State.REFUSED)
    asked.exclude(of=LookUp.Of.FILES, state=LookUp.State.ANSWERED).update(
        state=LookUp.State.REFUSED,
        kind="token_deleted",
        failure="The token that this was asked with is deleted.",
        advice="Choose another one, and look it up again.",
    )


UNDER_WAY = (LookUp.State.WAITING, LookUp.State.ASKING)
LOOK_UPS = (LookUp.Of.DATASET, LookUp.Of.TOKENIZER)
# By kind: the queue, and who works it off.
ACTORS = {
    LookUp.Of.DATASET: (QUEUE, "look_up"),
    LookUp.Of.TOKENIZER: (QUEUE, "look_up"),
    LookUp.Of.FILES: (FETCH_QUEUE, "fetch_tokenizers"),
}
