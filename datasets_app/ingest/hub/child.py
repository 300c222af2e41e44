"""Talking to the Hub, in a watched process of its own: `python -m datasets_app.ingest.hub.child`.

The token comes with the request, over the pipe: never in the environment or the arguments, which others can read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets_app.children import Message, serve
from datasets_app.errors import disk_full_explained
from datasets_app.ingest.hub.reader import Downloaded, Received, download
from datasets_app.ingest.hub.remote import CDN_HOSTS, HubAccess, RemoteFile, endpoint_here
from datasets_app.ingest.hub.waiting import LONGEST_WAIT_SECONDS, Waiting
from datasets_app.ingest.preview import PREVIEW_ROWS
from datasets_app.masking import hide
from datasets_app.names import all_whole


def handle(request: Message) -> Iterator[Message]:
    """Answers `look_up`, `preview` and `download`, as docs/hub.md lists them; the endpoint is this server's own."""
    with disk_full_explained():
        yield from _answer(request)


def _answer(request: Message) -> Iterator[Message]:
    if request.get("token"):
        hide(request["token"])
    access = HubAccess(endpoint_here(), request.get("token"), tuple(request.get("allowed_hosts", CDN_HOSTS)))
    match request["do"]:
        case "look_up":
            yield {"done": all_whole(_look_up(request, access))}
        case "preview":
            from datasets_app.ingest.hub.first_rows import preview_rows

            file, rows = RemoteFile.from_dict(request["file"]), request.get("rows", PREVIEW_ROWS)
            yield {"done": all_whole(preview_rows(file, rows=rows, access=access).to_dict())}
        case "download":
            file = RemoteFile.from_dict(request["file"])
            longest_wait = request.get("longest_wait", LONGEST_WAIT_SECONDS)
            yield from map(_told, download(file, Path(request["target"]), access, longest_wait=longest_wait))
        case other:
            raise ValueError(f"nobody knows how to {other}")


def _look_up(request: Message, access: HubAccess) -> Message:
    name, revision = request["name"], request.get("revision", "main")
    if request["of"] == "tokenizer":
        from datasets_app.ingest.hub.tokenizers import look_up_tokenizer

        return look_up_tokenizer(name, revision, access=access).to_dict()
    from datasets_app.ingest.hub.lookup import look_up_dataset

    return look_up_dataset(name, revision, request.get("configuration"), access=access).to_dict()


def _told(message: Received | Waiting | Downloaded) -> Message:
    match message:
        case Received():
            return {"counts": _counts(message.bytes), "was_there": message.was_there}
        case Waiting():
            return {"waiting": message.seconds, "why": message.why}
        case Downloaded():
            done = {"path": str(message.path), "bytes": message.bytes, "sha256": message.sha256}
            return {"done": {**done, "counts": _counts(message.bytes)}}


def _counts(received: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("processed", "kept", "filtered", "errored", "tokens_processed", "tokens", "sequences"), 0)
    return {**nothing, "bytes": received, "reasons": {}}


if __name__ == "__main__":
    from datasets_app.ingest.hub.api import settle_environment

    settle_environment()
    serve(handle)
