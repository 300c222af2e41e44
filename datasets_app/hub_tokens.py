"""Tokens for the Hugging Face Hub: encrypted with a key that is not in the database, and never shown again."""

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from datasets_app import masking
from datasets_app.errors import JobError
from datasets_app.jobs import Status, from_now

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet
    from django.contrib.auth.models import User

NAME_LENGTH = 60
SHORTEST, LONGEST = 16, 200
SHOWN = 4
COPY_IT = "Copy it again, from its first character to its last."
# Of one for a single download: how long after its last use it goes, should the download never have ended.
LEFT_BEHIND = timedelta(days=7)
# What a request can carry (RFC 6750).
CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]+")
# As the Hub makes them today, with 34 letters and digits.
OF_THE_HUB = re.compile(r"hf_[A-Za-z0-9]{20,}")


class HubTokenQuerySet(models.QuerySet["HubToken"]):
    def of(self, user: "User") -> Self:
        """All that a person may use, see and delete: their own."""
        return self.filter(owner=user)

    def find(self, token_id: str | uuid.UUID, user: "User | None") -> "HubToken":
        """One of the user's; of anybody's for `None`, who has a shell on the server. JobError if there is none."""
        usable = self if user is None else self.of(user)
        try:
            return usable.get(pk=token_id)
        except (ValidationError, self.model.DoesNotExist):
            raise JobError("There is no such token.", "See yours under Hub tokens, or with list_tokens.") from None

    def untaken(self) -> Self:
        """Without those for one download that an unfinished download has."""
        from datasets_app.downloads import Download  # which imports this module

        wanting = Download.objects.visible().exclude(status=Status.READY).filter(token=OuterRef("pk"))
        return self.exclude(Exists(wanting), kept=False)

    def release(self, token_id: uuid.UUID) -> None:
        """What used it has ended: if it was meant for that alone it goes for good."""
        self.untaken().filter(pk=token_id, kept=False).delete()

    def left_behind(self) -> Self:
        long_ago = from_now(-LEFT_BEHIND)
        unused = Q(last_used_at=None) | Q(last_used_at__lt=long_ago)
        return self.filter(unused, kept=False, created_at__lt=long_ago)

    def encrypt_anew(self) -> int:
        """With the newest key, so that the older ones can go. JobError, and nothing changed, if one cannot be read."""
        with transaction.atomic():
            tokens = list(self.select_for_update())
            for token in tokens:
                self.filter(pk=token.pk).update(ciphertext=encrypted(token._decrypted()))
        return len(tokens)


class HubToken(models.Model):
    """Referred to by its id everywhere; only `reveal` gives the token itself."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="hub_tokens")
    name = models.CharField(max_length=NAME_LENGTH)
    last4 = models.CharField("ends with", max_length=SHOWN)
    ciphertext = models.BinaryField()
    # Else it is for one download, of a dataset or a tokenizer, and goes when that has ended.
    kept = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = HubTokenQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="hub_token_name_once_an_owner")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    @sensitive_variables("value")
    def store(cls, user: "User", name: str, value: str, kept: bool = True) -> "HubToken":
        """JobError if it cannot be a token, or the name is no name or taken."""
        check_name(name)
        check_value(value)
        masking.hide(value)
        try:
            with transaction.atomic():
                token = cls.objects.create(
                    owner=user, name=name, last4=value[-SHOWN:], ciphertext=encrypted(value), kept=kept
                )
        except IntegrityError as error:
            raise JobError(f"There is already a token named {name}.", "Choose another name.") from error
        token.refresh_from_db(fields=["created_at"])
        return token

    @property
    def shown(self) -> str:
        """What anybody ever sees of it again."""
        return f"…{self.last4}"

    @sensitive_variables("value")
    def reveal(self) -> str:
        """The token itself, for the request that needs it: never to be stored, queued, logged or shown.

        JobError if its key is gone.
        """
        value = self._decrypted()
        masking.hide(value)
        type(self).objects.filter(pk=self.pk).update(last_used_at=Now())
        return value

    def _decrypted(self) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return cipher().decrypt(bytes(self.ciphertext)).decode()
        except InvalidToken:
            raise JobError(
                f"The token {self.name} cannot be read any more: the key it was encrypted with is gone.",
                "Delete it under Hub tokens and add it again.",
            ) from None


def cipher() -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in settings.HUB_TOKEN_KEYS])


@sensitive_variables("value")
def encrypted(value: str) -> bytes:
    return cipher().encrypt(value.encode())


def check_name(name: str) -> None:
    if not 0 < len(name) <= NAME_LENGTH or not name.isprintable():
        raise JobError(f"A token’s name has 1 to {NAME_LENGTH} printable characters.", "Choose another name.")
    if masking.masked(name) != name:
        raise JobError("This is a token, not a name.", "Name it after what it is for, such as “gated models”.")


@sensitive_variables("value")
def check_value(value: str) -> None:
    """JobError, which does not quote it, if no Hub would take it."""
    if not CHARACTERS.fullmatch(value):
        raise JobError("A token has only letters, digits and - . _ ~ + / =.", COPY_IT)
    if not SHORTEST <= len(value) <= LONGEST:
        raise JobError(f"A token has {SHORTEST} to {LONGEST} characters.", COPY_IT)
    if value.startswith("hf_") and not OF_THE_HUB.fullmatch(value):
        raise JobError("After hf_ a token has 20 or more letters and digits.", COPY_IT)
