"""What the commands about Hub tokens share."""

from typing import Any

from django.contrib.auth.models import User

from datasets_app.errors import JobError
from datasets_app.hub_tokens import HubToken


def token_facts(token: HubToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "user": token.owner.get_username(),
        "ends_with": token.last4,
        "kept": token.kept,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
    }


def active_user(name: str) -> User:
    """Of this name; without one the only active user. JobError if it is not clear who."""
    found = User.objects.filter(is_active=True, **({"username": name} if name else {}))[:2]
    if len(found) == 1:
        return found[0]
    if name:
        raise JobError(f"There is no active user {name}.", "Add or activate the user in the admin first.")
    raise JobError("It is not clear whose token this is.", "Name the user with --user.")
