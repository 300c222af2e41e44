import json

import pytest

from datasets_app.ingest.hub import refusals
from datasets_app.ingest.hub.reader import download
from datasets_app.ingest.hub.remote import MODEL, HubAccess
from datasets_app.ingest.hub.tokenizers import look_up_tokenizer
from tests.hub.examples import add_examples, card, tokenizer_json
from tests.hub.fixtures import CANARY, access_to
from tokenizations.engine.tokenizer_files import read_tokenizer

NAME = "lab/words"
ALL = {
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "special_tokens_map.json": b"{}",
    "chat_template.jinja": b"x",
    "chat_template.json": b"{}",
    "vocab.json": b"{}",
    "vocab.txt": b"x",
    "merges.txt": b"x",
    "spiece.model": b"x",
}
NEVER = {
    "README.md": card(),
    "config.json": b"{}",
    "model.safetensors": b"x",
    "pytorch_model.bin": b"x",
    "tokenization_words.py": b"raise SystemExit",
    "onnx/tokenizer.json": b"{}",
    "additional_chat_templates/tool.jinja": b"x",
}


def look_up(hub, **more):
    return look_up_tokenizer(NAME, access=access_to(hub, more.pop("token", None)), **more)


def test_only_the_files_of_a_tokenizer_are_ever_fetched(hub):
    repository = hub.add(NAME, {**ALL, **NEVER}, kind=MODEL)

    listing = look_up(hub)

    assert {file.path for file in listing.files} == set(ALL)
    assert (listing.sha, listing.licence) == (repository.names["main"], "apache-2.0")
    assert listing.download_bytes == sum(map(len, ALL.values()))
    assert json.loads(json.dumps(listing.to_dict()))["files"][0]["repository"] == {"kind": MODEL, "name": NAME}


def test_what_was_downloaded_is_a_tokenizer(hub, tmp_path):
    add_examples(hub)
    listing = look_up_tokenizer(NAME, access=HubAccess(hub.endpoint))

    for file in listing.files:
        list(download(file, tmp_path / file.path, HubAccess(hub.endpoint)))

    assert read_tokenizer(tmp_path).json_bytes == tokenizer_json()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["tokenizer_config.json"], "lab/words holds no tokenizer."),
        (["vocab.json"], "lab/words holds no tokenizer."),
        (["vocab.txt"], "lab/words holds no tokenizer."),
        (["spiece.model"], "lab/words holds only spiece.model, which is not read."),
    ],
)
def test_a_repository_without_a_tokenizer_is_told_what_it_would_need(hub, files, said):
    hub.add(NAME, dict.fromkeys(files, b"x"), kind=MODEL)

    with pytest.raises(refusals.HubError) as refused:
        look_up(hub)

    assert str(refused.value) == said
    assert "tokenizer.json" in refused.value.advice


def test_a_dataset_is_no_model(hub):
    hub.add(NAME, ALL)

    with pytest.raises(refusals.NotFoundOrPrivate, match="The model lab/words"):
        look_up(hub)


@pytest.mark.parametrize(
    ("facts", "token", "error"),
    [
        ({"private": True}, None, refusals.NotFoundOrPrivate),
        ({"gated": "auto"}, None, refusals.TokenNeeded),
        ({"gated": "auto"}, CANARY, refusals.ConsentMissing),
        ({}, "hf_expired", refusals.TokenInvalid),
    ],
)
def test_a_model_is_refused_with_the_same_answers(hub, facts, token, error):
    hub.add(NAME, ALL, kind=MODEL, **facts)
    hub.add_token(CANARY)

    with pytest.raises(error):
        look_up(hub, token=token)
