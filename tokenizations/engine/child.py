"""The process that tokenizes: `python -m tokenizations.engine.child`, watched by datasets_app.children.Child."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy.ma  # noqa: F401 - pyarrow does at its first conversion, when there is no time for it

from datasets_app import children
from datasets_app.errors import JobError
from tokenizations.engine.batches import Part, probe_rows
from tokenizations.engine.chat import check_template
from tokenizations.engine.choosing import Candidates, choose_encoder, prepare
from tokenizations.engine.dataset_files import assemble
from tokenizations.engine.preview import preview
from tokenizations.engine.rechecking import Mismatch
from tokenizations.engine.recipe import LoadedTokenizer
from tokenizations.engine.shard_encoding import ShardJob, encode_shard
from tokenizations.engine.shard_files import HashedFile
from tokenizations.engine.spec import Spec
from tokenizations.engine.texts import TextSource
from tokenizations.engine.tokenizer_files import missing_tokens, read_tokenizer

# Jobs take turns, so a slot goes back and forth between a few tokenizers.
LOADED_AT_ONCE = 3

# What an encoder was loaded from, its name, whether it knows special tokens that are written in a text, and the largest
# row for the reference.
Key = tuple[Path, str, bool, int]

_loaded: OrderedDict[Key, LoadedTokenizer] = OrderedDict()
# What was loaded before anybody asked for it.
_early: dict[tuple[Path, bool, int], Candidates] = {}


def handle(request: children.Message) -> Iterator[children.Message]:
    """Answer one request, by what it names: a part to tokenize or to preview, files that are to become a dataset, a
    tokenizer, tokens, a chat template.
    """
    if "preload" in request:
        _preload(request)
    elif "read_tokenizer" in request:
        yield from _read_tokenizer(request)
    elif "missing_tokens" in request:
        missing = missing_tokens(Path(request["tokenizer"]), request["missing_tokens"])
        yield {"done": {"missing": missing}}
    elif "chat_template" in request:
        check_template(request["chat_template"], request["tokens"])
        yield {"done": {}}
    elif "assemble" in request:
        yield from assemble(request["assemble"])
    elif "preview" in request:
        yield {"done": {"texts": preview(**request["preview"])}}
    else:
        yield from _tokenize(request)


def _preload(request: children.Message) -> None:
    """Load what the next request will probably need. Nobody waits for an answer."""
    path, row_bytes = Path(request["preload"]), request["row_bytes"]
    with suppress(JobError):  # which is told to whoever asks for it
        candidates = _early[path, True, row_bytes] = Candidates(path, True, row_bytes)
        _ = candidates.fast


def _tokenize(request: children.Message) -> Iterator[children.Message]:
    job = ShardJob.from_dict(request)
    path, name = Path(request["tokenizer"]), request["encoder"]
    parse, row_bytes = job.spec.parse_special_tokens, request["row_bytes"]
    yield {"stage": "Loading Tokenizer"}
    if not name:
        candidates = _early.pop((path, parse, row_bytes), None) or Candidates(path, parse, row_bytes)
        choice = choose_encoder(candidates, job.spec, _probe(request, job.spec))
        name = choice.name
        _keep((path, name, parse, row_bytes), LoadedTokenizer(path, choice.encoder, choice.reference))
        yield {"encoder": name, "reason": choice.reason}
    try:
        yield from encode_shard(job, _tokenizer((path, name, parse, row_bytes)))
    except Mismatch as mismatch:
        yield {"mismatch": str(mismatch)}


def _read_tokenizer(request: children.Message) -> Iterator[children.Message]:
    paths = [Path(path) for path in request["read_tokenizer"]]
    facts = read_tokenizer(paths[0] if len(paths) == 1 else paths)
    out = Path(request["out"])
    with HashedFile(out) as file:
        file.write(facts.json_bytes)
    prepare(out)
    yield {"done": facts.to_dict()}


def _probe(request: children.Message, spec: Spec) -> list[str]:
    probe = request.get("probe")
    return probe_rows(Part(Path(probe["path"])), probe["row_group"], TextSource(spec)) if probe else []


def _tokenizer(key: Key) -> LoadedTokenizer:
    path, name, parse, row_bytes = key
    if key not in _loaded:
        _keep(key, LoadedTokenizer.named(path, name, parse, row_bytes))
    _loaded.move_to_end(key)
    return _loaded[key]


def _keep(key: Key, tokenizer: LoadedTokenizer) -> None:
    _loaded[key] = tokenizer
    while len(_loaded) > LOADED_AT_ONCE:
        _loaded.popitem(last=False)


if __name__ == "__main__":
    children.serve(handle)
