"""Which bodies of requests are taken at all, decided before any of it is written to the disk."""

import re
import shutil
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import HttpRequest

from datasets_app.templatetags.figures import size

PIECES = {"<uuid>": "[0-9a-f-]{36}", "<number>": "[0-9]{1,9}"}
SIGN_IN, TOO_LARGE, NO_ROOM = 401, 413, 507


@dataclass(frozen=True)
class Refusal:
    status: int
    said: str


def limit(path: str) -> int:
    """How many bytes this address takes."""
    large = [at_most for pattern, at_most in settings.BODY_LIMITS.items() if pattern_of(pattern).fullmatch(path)]
    return max(large, default=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


@cache
def pattern_of(address: str) -> re.Pattern[str]:
    pattern = re.escape(address)
    for name, expression in PIECES.items():
        pattern = pattern.replace(re.escape(name), expression)
    return re.compile(pattern)


def refusal(length: int, cookies: dict[str, str]) -> Refusal | None:
    """Of a body that is larger than any form. Reads the database: not for the loop that serves all requests."""
    if not is_signed_in(cookies.get(settings.SESSION_COOKIE_NAME, "")):
        return Refusal(SIGN_IN, "Sign in first.")
    free = shutil.disk_usage(settings.SCRATCH_ROOT).free
    if length > free:
        return Refusal(
            NO_ROOM, f"There is room for {size(free)} on the server’s disk, and {size(length)} were to come."
        )
    return None


def is_signed_in(session_key: str) -> bool:
    request = HttpRequest()
    request.session = SessionStore(session_key or None)
    try:
        return get_user(request).is_authenticated
    finally:
        close_old_connections()


def too_large(at_most: int) -> Refusal:
    return Refusal(TOO_LARGE, f"That is more than {size(at_most)}, the most that is taken here.")


def too_many_files() -> Refusal:
    return Refusal(
        TOO_LARGE, f"That is more than {settings.DATA_UPLOAD_MAX_NUMBER_FILES:,} files, the most that is taken."
    )
