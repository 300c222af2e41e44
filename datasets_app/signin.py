"""Sign-in links: good once and for a while, without a password, as Jupyter prints them."""

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class SignInTokens(PasswordResetTokenGenerator):
    """Hashes the last sign-in with the rest, so that signing in uses up every link made before."""

    key_salt = "tokenyard.sign-in-link"


tokens = SignInTokens()


def make_link(user: "User", base_url: str) -> str:
    uid = urlsafe_base64_encode(str(user.pk).encode())
    return base_url.rstrip("/") + reverse("sign_in_link", args=[uid, tokens.make_token(user)])


def user_of_link(uid: str, token: str) -> "User | None":
    """The user whom this link signs in, or None if it is wrong, old or used."""
    try:
        key = int(force_str(urlsafe_base64_decode(uid)))
    except (ValueError, OverflowError):
        return None
    user = get_user_model()._default_manager.filter(pk=key, is_active=True).first()
    return user if user is not None and tokens.check_token(user, token) else None
