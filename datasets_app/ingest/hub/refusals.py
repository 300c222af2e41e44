"""What the Hub's answers mean, a class each. `kind` tells them apart where only a message travels."""

import math
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

import httpx2

from datasets_app.errors import JobError
from datasets_app.ingest.hub.remote import Repository

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TIMEOUT, TOO_MANY = 401, 403, 404, 408, 429
SERVER_ERRORS = 500
MINUTE, HOUR = 60, 3600
# A month; who asks for more has mistaken something.
LONGEST_ASKED_FOR = 30 * 24 * 3600.0
UPLOAD_INSTEAD = "Upload files instead, or have HF_ENDPOINT set to a mirror."
TRY_LATER = "Try again in a few minutes."


class HubError(JobError):
    """An answer of the Hub, or of a repository, that ends a look-up or a download."""

    kind = "hub"


class NotFoundOrPrivate(HubError):
    kind = "not_found"


class TokenNeeded(HubError):
    kind = "token_needed"


class ConsentMissing(HubError):
    """The token's owner has not accepted the licence; `address` is where to."""

    kind = "consent_missing"

    def __init__(self, message: str, advice: str, address: str) -> None:
        super().__init__(message, advice)
        self.address = address


class TokenInvalid(HubError):
    kind = "token_invalid"


class AccessDenied(HubError):
    kind = "access_denied"


class HubUnreachable(HubError):
    kind = "unreachable"


class RateLimited(HubError):
    """`seconds` is how long the Hub asks to wait, None if it does not say."""

    kind = "rate_limited"

    def __init__(self, message: str, advice: str, seconds: float | None) -> None:
        super().__init__(message, advice)
        self.seconds = seconds


class RevisionNotFound(HubError):
    kind = "revision_not_found"


class FileNotFound(HubError):
    kind = "file_not_found"


class ConfigurationNotFound(HubError):
    kind = "configuration_not_found"


class NotTabular(HubError):
    kind = "not_tabular"


class Damaged(HubError):
    kind = "damaged"


class RedirectRefused(HubError):
    kind = "redirect_refused"


def unreachable(
    endpoint: str, what: str = "cannot be reached from this server", advice: str = UPLOAD_INSTEAD
) -> HubUnreachable:
    return HubUnreachable(f"The Hub ({host_of(endpoint)}) {what}.", advice)


def invalid_token() -> TokenInvalid:
    return TokenInvalid("The Hub does not accept the token.", "It may have expired: make a new one on the Hub.")


def refusal_of(
    response: httpx2.Response,
    repository: Repository,
    revision: str,
    endpoint: str,
    *,
    has_token: bool,
    token_is_valid: Callable[[], bool],
    now: float,
) -> HubError:
    """What an answer over 399 means; `token_is_valid` asks the Hub, which does not tell it with every answer."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status == UNAUTHORIZED and has_token and not token_is_valid():
        return invalid_token()
    if status == TOO_MANY:
        return rate_limited(wait_asked_for(response, now))
    if status >= SERVER_ERRORS or status == TIMEOUT:
        return unreachable(endpoint, f"answers with error {status}")
    match code:
        case "GatedRepo":
            return _gated(repository, endpoint, has_token)
        case "RevisionNotFound":
            return RevisionNotFound(
                f"{_upper(repository)} has no revision {revision}.", "Give a branch, a tag or the sha of a commit."
            )
        case "EntryNotFound":
            return FileNotFound(f"A file of {repository} is no longer there.", "Look the repository up again.")
    if code == "RepoNotFound" or status in (UNAUTHORIZED, NOT_FOUND):
        return _not_found(repository, has_token)
    if status == FORBIDDEN:
        return AccessDenied(
            f"The Hub denies access to {repository}.", "Choose a token that may read it, or another repository."
        )
    return HubError(f"The Hub answers with error {status} for {repository}.", TRY_LATER)


def wait_asked_for(response: httpx2.Response, now: float) -> float | None:
    """Seconds from Retry-After, be it a number or a date, or from the Hub's own header; None if neither is there."""
    for said in (_retry_after, _reset):
        with suppress(ValueError, OverflowError):
            if (seconds := said(response, now)) is not None:
                return min(max(0.0, seconds), LONGEST_ASKED_FOR)
    return None


def _retry_after(response: httpx2.Response, now: float) -> float:
    said = response.headers.get("Retry-After", "").strip()
    return float(said) if said.isascii() and said.isdigit() else parsedate_to_datetime(said).timestamp() - now


def _reset(response: httpx2.Response, now: float) -> float | None:
    from huggingface_hub.utils._http import parse_ratelimit_headers

    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit and not limit.remaining else None


def host_of(address: str) -> str:
    return httpx2.URL(address).netloc.decode()


def _gated(repository: Repository, endpoint: str, has_token: bool) -> HubError:
    page = repository.page(endpoint)
    if not has_token:
        return TokenNeeded(
            f"{_upper(repository)} is gated: only who has accepted its licence may read it.",
            f"Accept the licence at {page}, then choose a token of yours.",
        )
    return ConsentMissing(
        f"The token’s owner has not accepted the licence of {repository}.", f"Accept it at {page}.", page
    )


def _not_found(repository: Repository, has_token: bool) -> NotFoundOrPrivate:
    with_token = "that may read it" if has_token else "if it is private"
    return NotFoundOrPrivate(
        f"{_upper(repository)} is not on the Hub, or it is private.", f"Check the name, or choose a token {with_token}."
    )


def rate_limited(seconds: float | None) -> RateLimited:
    when = TRY_LATER if seconds is None else f"Try again in {_in_words(seconds)}."
    return RateLimited("The Hub has had too many requests from this server.", when, seconds)


def _in_words(seconds: float) -> str:
    for unit, name in ((HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{math.ceil(seconds / unit)} {name}"
    return f"{math.ceil(seconds)} s"


def _upper(repository: Repository) -> str:
    return f"T{str(repository)[1:]}"
