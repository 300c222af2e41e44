"""Signing in and out, and the theme."""

from collections.abc import Callable

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from datasets_app.forms import SignInForm, ThemeForm
from datasets_app.models import Preference
from datasets_app.page import Request
from datasets_app.signin import user_of_link

UNAUTHORIZED = 401
GONE = 410


class SignInRequired(LoginRequiredMiddleware):
    """Sends a page to the sign-in, and tells a script that the session is over: it could not show a form."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        if "HX-Request" in request.headers or "json" in request.headers.get("Accept", ""):
            return HttpResponse("Sign in first.", status=UNAUTHORIZED, content_type="text/plain")
        return super().handle_no_permission(request, view_func)


sign_in = LoginView.as_view(
    template_name="accounts/sign_in.html", redirect_authenticated_user=True, authentication_form=SignInForm
)
sign_out = LogoutView.as_view()


@login_not_required
@never_cache
@require_GET
def sign_in_link(request: HttpRequest, uid: str, token: str) -> HttpResponseBase:
    user = user_of_link(uid, token)
    if user is None:
        return render(request, "accounts/used_link.html", status=GONE)
    login(request, user)
    return redirect("datasets:list")


@require_POST
def theme(request: Request) -> HttpResponseBase:
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse("There is no such theme.", status=422, content_type="text/plain")
    Preference.objects.update_or_create(user=request.user, defaults={"theme": form.cleaned_data["theme"]})
    return HttpResponse(status=204) if request.htmx else redirect(own_page(request, form.cleaned_data["next"]))


def own_page(request: HttpRequest, address: str) -> str:
    is_own = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()})
    return address if is_own else resolve_url("datasets:list")
