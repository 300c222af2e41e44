"""What somebody types to name a repository of the Hub. Nothing of it is ever taken for a path of this machine."""

import re
from urllib.parse import unquote, urlsplit

from datasets_app.errors import JobError, refuse_token
from datasets_app.ingest.hub.remote import DATASET, HUGGING_FACE, MODEL, Repository, endpoint_here

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
ONE_WORD = re.compile(r"[\w.-]+", re.ASCII)
REVISION = re.compile(r"[\w][\w./-]{0,254}", re.ASCII)
SHOWN_CHARACTERS = 80
QUOTES = "\"'`“”‘’ "
HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
BESIDE_NAME = re.compile(
    r"https?://[^/]+/+(?:(?:datasets|models)/+)?[^/]+/[^/]+/(?:tree|blob|resolve|raw|commit)/([^/?#]+)"
)
# Where the real Hub keeps other things than models: https://huggingface.co/spaces/owner/name is none.
OTHER_PAGES = frozenset({"api", "spaces", "collections", "papers", "docs", "buckets", "kernels", "settings"})
ADVICE = "Give it as owner/name, or paste the address of its page on the Hub."


def parse_repository(typed: str, kind: str = DATASET) -> Repository:
    """The repository named by `owner/name` or by its page's address, of which only owner/name is taken.

    Raises JobError for whatever else, a local path and an address of the other kind included.
    """
    refuse_token(typed)
    typed = typed.strip().strip(QUOTES)
    address = _address(typed)
    name = _named_by_address(address, kind) if address else typed.removesuffix("/")
    if ONE_WORD.fullmatch(name) and name.strip("."):
        raise JobError(f"“{_shown(name)}” has no owner.", f"Names on the Hub are owner/name. {ADVICE}")
    if not NAME.fullmatch(name) or ".." in name or "--" in name or name.endswith((".git", ".", "-")):
        raise JobError(f"“{_shown(typed)}” is not the name of a {kind} on the Hub.", ADVICE)
    return Repository(kind, name)


def revision_in(typed: str) -> str:
    """The branch, tag or commit that stands in an address behind owner/name, or ""; of a longer one the first part."""
    found = BESIDE_NAME.match(_address(typed.strip().strip(QUOTES)))
    return _shown(unquote(found[1])) if found else ""


def parse_revision(typed: str) -> str:
    """A branch, a tag or a commit; `main` when nothing is typed. Raises JobError for what cannot be one."""
    refuse_token(typed)
    revision = typed.strip() or "main"
    if not REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith(("/", ".")):
        raise JobError(f"“{_shown(revision)}” is not a revision.", "Give a branch, a tag or the sha of a commit.")
    return revision


def _address(typed: str) -> str:
    """What is meant as one, whole; "" for what is none."""
    if "://" in typed:
        return typed
    first, _, rest = typed.partition("/")
    if first in HOSTS or first == urlsplit(endpoint_here()).netloc:
        return f"https://{typed}"
    is_of_a_kind = first in ("datasets", "models") and rest.strip("/").count("/") > 0
    return f"{HUGGING_FACE}/{typed}" if is_of_a_kind else ""


def _named_by_address(typed: str, kind: str) -> str:
    try:
        address = urlsplit(typed)
    except ValueError:
        return ""
    parts = [part for part in address.path.split("/") if part]
    if address.scheme not in ("http", "https") or not address.hostname:
        return ""
    is_dataset = parts[:1] == ["datasets"]
    parts = parts[1:] if is_dataset or parts[:1] == ["models"] else parts
    if not parts or parts[0] in OTHER_PAGES:
        return ""
    if is_dataset != (kind == DATASET):
        found = DATASET if is_dataset else MODEL
        raise JobError(f"This is the address of a {found}, not of a {kind}.", f"Give the address of a {kind}.")
    return "/".join(parts[:2])


def _shown(typed: str) -> str:
    """What was typed, fit for a sentence."""
    text = "".join(character if character.isprintable() else "?" for character in typed)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
