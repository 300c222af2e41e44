"""A child for tests/test_children.py: it does what it is told, badly if it is told so."""

import importlib
import os
import re
import sys
import time
from collections.abc import Iterator

from datasets_app import children
from datasets_app.errors import JobError

noted: list[tuple[str, int]] = []


def handle(request: children.Message) -> Iterator[children.Message]:
    match request["do"]:
        case "count":
            for number in range(request["to"]):
                yield {"number": number}
        case "refuse":
            raise JobError(f"Row 3 has no text{': ' + request['text'] if 'text' in request else ''}.", "Add some.")
        case "note":
            noted.append((request["text"], os.getpid()))
        case "read notes":
            yield {"noted": noted}
        case "crash":
            raise ValueError(request.get("text", "boom"))
        case "panic":
            raise BaseException("boom")
        case "exit":
            os._exit(101)
        case "sleep":
            yield {"stage": "Sleeping"}
            time.sleep(request["seconds"])
        case "hang holding the GIL":
            yield {"stage": "Hanging"}
            re.match(r"(a|a)*b", "a" * 40)
        case "eat memory":
            hoard = [b"x" * (1 << 20) for _ in range(request["megabytes"])]
            time.sleep(30)
            del hoard
        case "shout":
            os.write(1, b"native noise\n")
            sys.stdout.write(f"more noise {request.get('text', '')}\n")
            sys.stdout.flush()
        case "import":
            yield {"found": _can_import(request["name"])}
        case "environment":
            yield {"environment": dict(os.environ), "niceness": os.nice(0), "modules": sorted(sys.modules)}
    yield {"done": {"pid": os.getpid()}}


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    children.serve(handle)
