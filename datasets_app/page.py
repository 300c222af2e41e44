"""What every page knows of its reader, and what a view asks of a request."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django_htmx.middleware import HtmxDetails

from datasets_app import overview
from datasets_app.models import Preference

INITIALS = 2


class Request(HttpRequest):
    """A request behind the sign-in."""

    user: User
    htmx: HtmxDetails


def page(request: HttpRequest) -> dict[str, Any]:
    """The context processor: the reader's theme and name, and what the header shows of all jobs."""
    user = getattr(request, "user", None) or AnonymousUser()
    name = name_of(user) if isinstance(user, User) else ""
    return {
        "theme": theme_of(user),
        "themes": Preference.Theme.choices,
        "reader": name,
        "initials": initials(name),
        "overview": SimpleLazyObject(overview.read),
    }


def theme_of(user: User | AnonymousUser) -> str:
    chosen = Preference.objects.filter(user=user.pk).values_list("theme", flat=True).first() if user.pk else None
    return chosen or Preference.Theme.DARK.value


def name_of(user: User | None) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""


def initials(name: str) -> str:
    words = [word for word in name.replace(".", " ").replace("_", " ").replace("-", " ").split() if word]
    letters = "".join(word[0] for word in words) if len(words) > 1 else name
    return letters[:INITIALS].upper()


def wants_fragment(request: Request) -> bool:
    """Boosted links and the browser's history want the whole page, also when htmx asks."""
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def by_htmx(response: HttpResponse) -> HttpResponse:
    """Mark an answer that depends on whether htmx asked."""
    patch_vary_headers(response, ["HX-Request"])
    return response


def versioned(request: HttpRequest, etag: str, render: Callable[[], HttpResponse]) -> HttpResponseBase:
    """304 when the browser has this version already. It keeps the answer for itself and asks again each time."""
    answer = get_conditional_response(request, etag=etag) or render()
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-cache"
    patch_vary_headers(answer, ["HX-Request"])
    return answer
