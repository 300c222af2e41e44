"""The process that tokenizes: `python -m tokenizations.engine.child`, watched by datasets_app.children.Child."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from datasets_app import children
from tokenizations.engine.batches import Part, probe_rows
from tokenizations.engine.encoding import choose_encoder, load_encoder
from tokenizations.engine.recipe import LoadedTokenizer
from tokenizations.engine.shard_encoding import ShardJob, encode_shard
from tokenizations.engine.shard_files import HashedFile
from tokenizations.engine.tokenizer_files import read_tokenizer

# Jobs take turns, so a slot goes back and forth between a few tokenizers.
LOADED_AT_ONCE = 3

_loaded: OrderedDict[tuple[str, str], LoadedTokenizer] = OrderedDict()


def handle(request: children.Message) -> Iterator[children.Message]:
    """Answer one request, by what it names: a part to tokenize, or files to read a tokenizer from."""
    if "read_tokenizer" in request:
        yield from _read_tokenizer(request)
    else:
        yield from _tokenize(request)


def _tokenize(request: children.Message) -> Iterator[children.Message]:
    job = ShardJob.from_dict(request)
    path, name = Path(request["tokenizer"]), request["encoder"]
    yield {"stage": "Loading Tokenizer"}
    if not name:
        choice = choose_encoder(path, _probe(request, job.spec.text_column))
        name = choice.name
        _keep((str(path), name), LoadedTokenizer(path, choice.encoder))
        yield {"encoder": name, "reason": choice.reason}
    yield from encode_shard(job, _tokenizer(path, name))


def _read_tokenizer(request: children.Message) -> Iterator[children.Message]:
    paths = [Path(path) for path in request["read_tokenizer"]]
    facts = read_tokenizer(paths[0] if len(paths) == 1 else paths)
    with HashedFile(Path(request["out"])) as file:
        file.write(facts.json_bytes)
    yield {"done": facts.to_dict()}


def _probe(request: children.Message, column: str) -> list[str]:
    probe = request.get("probe")
    return probe_rows(Part(Path(probe["path"])), probe["row_group"], column) if probe else []


def _tokenizer(path: Path, name: str) -> LoadedTokenizer:
    key = (str(path), name)
    if key not in _loaded:
        _keep(key, LoadedTokenizer(path, load_encoder(path, name)))
    _loaded.move_to_end(key)
    return _loaded[key]


def _keep(key: tuple[str, str], tokenizer: LoadedTokenizer) -> None:
    _loaded[key] = tokenizer
    while len(_loaded) > LOADED_AT_ONCE:
        _loaded.popitem(last=False)


if __name__ == "__main__":
    children.serve(handle)
