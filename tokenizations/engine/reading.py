"""`python -m tokenizations.engine.reading`: reads an untrusted tokenizer where a crash or a hang hurts nobody.

Request: {"paths": [...], "out": path}. The canonical tokenizer.json is written to `out`; done carries the facts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets_app.children import serve
from tokenizations.engine.tokenizer_files import read_tokenizer


def handle(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    paths = [Path(path) for path in request["paths"]]
    facts = read_tokenizer(paths[0] if len(paths) == 1 else paths)
    Path(request["out"]).write_bytes(facts.json_bytes)
    yield {"done": facts.to_dict()}


if __name__ == "__main__":
    serve(handle)
