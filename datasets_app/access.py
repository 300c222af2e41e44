"""Who may do what to which object, for views, sockets, admin and commands alike."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

VIEW = "view"
ADD = "add"
CONTROL = "control"
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Of a user only what rights depend on, so that what was rendered for one serves all who may do the same."""

    pk: int
    is_staff: bool
    is_authenticated: bool = True
    is_active: bool = True

    @classmethod
    def of(cls, user: "User") -> Self:
        return cls(user.pk, user.is_staff)


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do with a dataset and its jobs, by id."""

    control: frozenset[uuid.UUID]
    delete: frozenset[uuid.UUID]

    def as_context(self) -> dict[str, frozenset[uuid.UUID]]:
        """As the templates ask for it."""
        return {"controllable": self.control, "deletable": self.delete}


def rights(user: "User | AnonymousUser | Viewer", dataset: Any, jobs: list[Any]) -> Rights:
    deletable = frozenset(each.pk for each in (dataset, *jobs) if can(user, DELETE, each))
    return Rights(controllable(user, jobs), deletable)


def controllable(user: "User | AnonymousUser | Viewer", jobs: Iterable[Any]) -> frozenset[uuid.UUID]:
    """The ids of those jobs that this user may pause, cancel and retry."""
    return frozenset(job.pk for job in jobs if can(user, CONTROL, job))


def can(user: "User | AnonymousUser | Viewer | None", action: str, target: Any = None) -> bool:
    """The team sees everything; a thing is controlled and deleted by who made it, the owner of its dataset, and staff.

    What is somebody's own, as a Hub token, is seen and used by its owner alone; staff may delete it.
    `None` is whoever has a shell on the server: commands may do all.
    """
    if user is None:
        return True
    if not (user.is_authenticated and user.is_active):
        return False
    if (owner := getattr(target, "owner_id", None)) is not None:
        return user.pk == owner or (user.is_staff and action == DELETE)
    if action in (VIEW, ADD) or user.is_staff:
        return True
    owners = {getattr(target, "created_by_id", None)}
    if dataset := getattr(target, "dataset", None):
        owners.add(dataset.created_by_id)
    return user.pk in owners
