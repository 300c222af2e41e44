"""Who may do what to which object, for views, sockets, admin and commands alike."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

VIEW = "view"
ADD = "add"
CONTROL = "control"
DELETE = "delete"


def can(user: "User | AnonymousUser | None", action: str, target: Any = None) -> bool:
    """The team sees everything; a thing is controlled and deleted by who made it, the owner of its dataset, and staff.

    `None` is whoever has a shell on the server: commands may do all.
    """
    if user is None:
        return True
    if not (user.is_authenticated and user.is_active):
        return False
    if action in (VIEW, ADD) or user.is_staff:
        return True
    owners = {getattr(target, "created_by_id", None)}
    if dataset := getattr(target, "dataset", None):
        owners.add(dataset.created_by_id)
    return user.pk in owners
