"""Asks the Hub what somebody wants to know, in a watched child process, and keeps the answer for their page."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets_app.children import Child, ChildDied
from datasets_app.errors import Cancelled, JobError
from datasets_app.lookups import LOOK_UPS, LookUp

MEMORY_BYTES = 1 << 30
SILENCE_SECONDS = 20.0
PREVIEW_ROWS = 6
# Of all files together; and how long the Hub may make somebody wait who is in front of the page.
FETCH_SECONDS, LONGEST_WAIT_SECONDS = 600.0, 30.0
_local = threading.local()


def answer_all() -> None:
    answer_each(asked, *LOOK_UPS)


def answer_each(how: Callable[[LookUp], dict[str, Any]], *kinds: LookUp.Of) -> None:
    """Until no question of these kinds waits."""
    while waiting := LookUp.objects.waiting(*kinds).order_by("created_at").first():
        if waiting.take():
            answer(waiting, how)


def answer(question: LookUp, how: Callable[[LookUp], dict[str, Any]]) -> None:
    try:
        question.settle(how(question))
    except JobError as error:
        question.refuse(str(error), error.advice, error.kind)
    except ChildDied as death:
        question.refuse(f"Asking the Hub {death}.", "Try again.")
    except Cancelled:
        pass  # whoever did it took the question away
    except Exception:
        question.refuse("A fault in Tokenyard itself stopped this.", "The worker's log has the details.")
        raise


def asked(question: LookUp) -> dict[str, Any]:
    """What the Hub says; of a dataset also its first rows, or why they cannot be shown."""
    configuration = question.configuration or None
    said = ask_hub(question.of, question.repository, question.revision, configuration, secret_of(question))
    return {**question.answer, **said}


def secret_of(question: LookUp) -> str | None:
    return question.token.reveal() if question.token else None


def ask_hub(
    of: str,
    repository: str,
    revision: str,
    configuration: str | None,
    token: str | None,
    *,
    is_previewed: bool = True,
) -> dict[str, Any]:
    """Takes some seconds, and at most half a minute. JobError for whatever the Hub refuses; ChildDied."""
    access = {"token": token, "allowed_hosts": settings.HUB_HOSTS}
    request = {"do": "look_up", "of": of, "name": repository, "revision": revision, "configuration": configuration}
    listing = ask(request | access)
    if of != LookUp.Of.DATASET or not is_previewed:
        return {"listing": listing}
    file = next((file for split in listing["splits"] for file in split["files"]), None)
    if file is None:
        return {"listing": listing}
    try:
        return {"listing": listing, "preview": ask({"do": "preview", "file": file, "rows": PREVIEW_ROWS} | access)}
    except JobError as error:
        return {"listing": listing, "problem": f"{error} {error.advice}"}
    except ChildDied as death:
        return {"listing": listing, "problem": f"The first rows are not shown: reading them {death}."}


def fetch(
    files: list[dict[str, Any]], folder: Path, token: str | None, hear: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Some small files. `hear` is told every now and then how many bytes there are, and for how many seconds the Hub
    makes wait; what it raises ends the fetch. JobError, after ten minutes too, and ChildDied."""
    end, before = time.monotonic() + FETCH_SECONDS, 0
    common = {"do": "download", "token": token, "allowed_hosts": settings.HUB_HOSTS}
    for file in files:
        request = {"file": file, "target": str(folder / file["path"]), "longest_wait": LONGEST_WAIT_SECONDS}
        received = waiting = 0
        with closing(child().run(common | request)) as messages:
            for message in messages:
                if time.monotonic() > end:
                    raise JobError(
                        f"After {FETCH_SECONDS / 60:.0f} minutes {file['path']} is not here.", "Try again later."
                    )
                if message and "done" not in message:
                    received, waiting = message.get("counts", {}).get("bytes", received), message.get("waiting", 0)
                hear(before + received, waiting)
        before += file["bytes"]


def close() -> None:
    """End this thread's child; the next question starts another one."""
    if hasattr(_local, "child"):
        _local.child.close()


def ask(request: dict[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {}
    for message in child().run(request):
        done = (message or {}).get("done", done)
    return done


def child() -> Child:
    """This thread's own."""
    if not hasattr(_local, "child"):
        _local.child = Child(
            "datasets_app.ingest.hub.child", memory_limit_bytes=MEMORY_BYTES, silence_seconds=SILENCE_SECONDS
        )
    return _local.child  # type: ignore[no-any-return]
