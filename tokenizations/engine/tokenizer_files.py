"""Reads tokenizers from files: a tokenizer.json, or GPT-2's pair of vocab.json and merges.txt, and those beside it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from datasets_app.errors import JobError
from tokenizations.engine.roles import ROLES, guessed_roles
from tokenizations.engine.tokenizer_config import COMPANIONS, Companions, read_companions

LARGEST_FILE_BYTES = 256 << 20
LARGEST_INT32 = (1 << 31) - 1
# Counts and filters keep an array over all ids: a vocabulary with one id of two thousand million would eat the memory.
LARGEST_ID = (1 << 24) - 1
REASON_CHARACTERS = 200
END_OF_TEXT = "<|endoftext|>"
TRIAL_TEXT = "A short text, to see 1 tokenizer work: naïve 京."
GET_ANOTHER = "Get the file again from where it comes from, or choose another tokenizer."
WHICH_FILES = "Give a tokenizer.json, or a vocab.json together with its merges.txt."
NO_COMPANIONS = Companions()


@dataclass(frozen=True)
class TokenizerFacts:
    """`json_bytes` is the tokenizer.json to keep (the file's own bytes where there was one) and `sha256` its hash.

    `special_tokens` maps contents to ids. `num_special_tokens_added` is how many a row gets, such as [CLS] and [SEP].
    `roles` are its own tokens for bos, eos and pad, as far as it has them.
    """

    json_bytes: bytes
    sha256: str
    kind: str
    vocab_size: int
    max_id: int
    special_tokens: dict[str, int]
    num_special_tokens_added: int
    unknown_token: str | None
    unknown_id: int | None
    roles: dict[str, str]
    chat_template: str

    def to_dict(self) -> dict[str, Any]:
        """All facts but the file itself, fit for JSON."""
        return {name: value for name, value in vars(self).items() if name != "json_bytes"}


def read_tokenizer(paths: Path | Sequence[Path]) -> TokenizerFacts:
    """Facts of the tokenizer in a file, a directory, or a pair of vocab.json and merges.txt.

    Beside these there may be any of COMPANIONS. The order of the files does not matter.
    Raises JobError, with what is wrong in one sentence, for anything that is not a usable tokenizer.
    Untrusted files may take long or much memory to load: call it in a child process.
    """
    files, beside = _files(paths)
    companions = read_companions({file.name: read_file(file) for file in beside})
    if len(files) == 1:
        return facts_of(read_file(files[0]), files[0].name, companions)
    return facts_of(_from_pair(*files), f"{files[0].name} with {files[1].name}", companions)


def facts_of(json_bytes: bytes, name: str = "tokenizer.json", companions: Companions = NO_COMPANIONS) -> TokenizerFacts:
    """Facts of the tokenizer in the bytes of a tokenizer.json; `name` is what errors call it."""
    tokenizer = load(json_bytes, name)
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    if not vocabulary:
        raise JobError(f"The vocabulary of {name} is empty.", GET_ANOTHER)
    max_id = max(vocabulary.values())
    _check_ids(max_id, name)
    with refused_as(f"{name} is broken"):
        _try_out(tokenizer)
    unknown = unknown_token(tokenizer, json_bytes)
    special_tokens = {
        token.content: number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special
    }
    roles = _roles(companions, special_tokens, vocabulary)
    return TokenizerFacts(
        json_bytes=json_bytes,
        sha256=hashlib.sha256(json_bytes).hexdigest(),
        kind=type(tokenizer.model).__name__,
        vocab_size=len(vocabulary),
        max_id=max_id,
        special_tokens=special_tokens | {token: vocabulary[token] for token in roles.values()},
        num_special_tokens_added=tokenizer.num_special_tokens_to_add(False),
        unknown_token=unknown,
        unknown_id=None if unknown is None else vocabulary.get(unknown),
        roles=roles,
        chat_template=companions.chat_template,
    )


def load(json_bytes: bytes, name: str = "tokenizer.json") -> Tokenizer:
    """A `tokenizers.Tokenizer` that neither cuts nor pads, whatever the file says. Raises JobError if it is broken."""
    with refused_as(f"{name} is not a tokenizer"):
        tokenizer = Tokenizer.from_str(json_bytes.decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None):
        raise JobError(
            f"{name} uses BPE dropout, so the same text gets other tokens every time.",
            'Set "dropout" to null in the file and add it again.',
        )
    return tokenizer


def missing_tokens(file: Path, tokens: Iterable[str]) -> list[str]:
    """Those that are not in the vocabulary of a tokenizer.json. Raises JobError if it is broken."""
    vocabulary: dict[str, int] = load(read_file(file), file.name).get_vocab(with_added_tokens=True)
    return [token for token in tokens if token not in vocabulary]


def read_file(file: Path) -> bytes:
    """Raises JobError if it is not there, or too large for a tokenizer's."""
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise JobError(f"{file.name} is over {LARGEST_FILE_BYTES >> 20} MiB.", "Choose a smaller tokenizer.")
        return file.read_bytes()
    except OSError as error:
        raise JobError(f"{file.name} cannot be read: {error.strerror}.", GET_ANOTHER) from error


def unknown_token(tokenizer: Tokenizer, json_bytes: bytes) -> str | None:
    """The token that stands for what the vocabulary cannot say, if there is one."""
    if not isinstance(tokenizer.model, models.Unigram):
        token: str | None = getattr(tokenizer.model, "unk_token", None)
        return token
    model = json.loads(json_bytes)["model"]
    return None if model.get("unk_id") is None else str(model["vocab"][model["unk_id"]][0])


@contextmanager
def refused_as(what: str) -> Iterator[None]:
    """Turn whatever a tokenizer library raises into a JobError that starts with `what`."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        # The libraries raise bare Exceptions, and a Rust panic is a BaseException.
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise JobError(f"{what}: {one_line(error)}.", GET_ANOTHER) from error


def is_panic(error: BaseException) -> bool:
    """Whether a Rust library gave up: its class cannot be imported to be compared with."""
    return type(error).__name__ == "PanicException"


def one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:REASON_CHARACTERS].rstrip(". ")


def _files(paths: Path | Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The tokenizer itself, a pair with the .json first, and what lies beside it."""
    if not isinstance(paths, Path):
        found = sorted((path for path in paths if path.name not in COMPANIONS), key=lambda path: path.suffix != ".json")
        beside = [path for path in paths if path.name in COMPANIONS]
    elif paths.is_dir():
        whole = paths / "tokenizer.json"
        found = [whole] if whole.exists() else [paths / "vocab.json", paths / "merges.txt"]
        beside = [paths / name for name in sorted(COMPANIONS) if (paths / name).exists()]
    else:
        found, beside = [paths], []
    is_pair = [file.suffix for file in found] == [".json", ".txt"]
    if not (is_pair or len(found) == 1) or not all(file.is_file() for file in found):
        raise JobError("There is no tokenizer in these files.", WHICH_FILES)
    return found, beside


def _roles(companions: Companions, special_tokens: Mapping[str, int], vocabulary: Mapping[str, int]) -> dict[str, str]:
    """What the files say, as far as the vocabulary has it; what they do not say goes by the names of the tokens."""
    guessed = guessed_roles(special_tokens)
    said = {role: companions.roles.get(role, guessed.get(role)) for role in ROLES}
    return {role: token for role, token in said.items() if token and token in vocabulary}


def _from_pair(vocab_file: Path, merges_file: Path) -> bytes:
    vocabulary = _read_vocabulary(vocab_file)
    merges = _read_merges(merges_file, vocabulary)
    with refused_as(f"{vocab_file.name} and {merges_file.name} do not make a tokenizer"):
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        if END_OF_TEXT in vocabulary:
            tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
        return bytes(tokenizer.to_str(), "utf-8")


def _read_vocabulary(file: Path) -> dict[str, int]:
    try:
        vocabulary = json.loads(read_file(file))
    except (ValueError, RecursionError) as error:
        raise JobError(f"{file.name} is not JSON: {one_line(error)}.", GET_ANOTHER) from None
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise JobError(f"{file.name} is not an object of tokens and their ids.", WHICH_FILES)
    ids = vocabulary.values()
    if not all(isinstance(number, int) and number >= 0 for number in ids) or len(set(ids)) < len(vocabulary):
        raise JobError(f"{file.name} does not give every token an id of its own.", WHICH_FILES)
    _check_ids(max(ids), file.name)
    return vocabulary


def _read_merges(file: Path, vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    try:
        lines = read_file(file).decode().split("\n")
    except UnicodeDecodeError as error:
        raise JobError(f"{file.name} is not UTF-8 text: {one_line(error)}.", GET_ANOTHER) from None
    merges = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split(" ")
        if len(pair) != 2:
            raise JobError(f"Line {number} of {file.name} is not two pieces with a space between them.", GET_ANOTHER)
        if not all(token in vocabulary for token in (*pair, "".join(pair))):
            raise JobError(f"Line {number} of {file.name} is not in the vocabulary.", WHICH_FILES)
        merges.append((pair[0], pair[1]))
    return merges


def _check_ids(max_id: int, name: str) -> None:
    if max_id > LARGEST_INT32:
        raise JobError(f"The largest id in {name}, {max_id:,}, does not fit 32 bits.", "Choose another tokenizer.")
    if max_id > LARGEST_ID:
        raise JobError(
            f"The largest id in {name}, {max_id:,}, is over {LARGEST_ID:,}.", "Number the tokens without large gaps."
        )


def _try_out(tokenizer: Tokenizer) -> None:
    with suppress(Exception):  # a bare Exception for a word that it does not know is no fault, but a panic is
        tokenizer.encode(TRIAL_TEXT)
