import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.errors import JobError
from datasets_app.ingest.hub.addresses import parse_repository, parse_revision, revision_in
from datasets_app.ingest.hub.remote import DATASET, MODEL, Repository
from tests.hub.fixtures import CANARY


@pytest.mark.parametrize(
    "typed",
    [
        "lab/stories",
        "  lab/stories\n",
        "https://huggingface.co/datasets/lab/stories",
        "https://huggingface.co/datasets/lab/stories/",
        "https://huggingface.co/datasets/lab/stories/tree/main/data?x=1#readme",
        "http://127.0.0.1:8085/datasets/lab/stories/viewer/default/train",
        "https://huggingface.co/datasets//lab/stories",
        "huggingface.co/datasets/lab/stories",
        "hf.co/datasets/lab/stories/tree/main",
        "datasets/lab/stories",
        "lab/stories/",
        '"lab/stories"',
        " “lab/stories” ",
    ],
)
def test_a_name_or_the_address_of_its_page_names_a_dataset(typed):
    assert parse_repository(typed) == Repository(DATASET, "lab/stories")


@pytest.mark.parametrize(
    "typed",
    [
        "openai-community/gpt2",
        "huggingface.co/openai-community/gpt2",
        "https://huggingface.co/openai-community/gpt2/blob/main/tokenizer.json",
    ],
)
def test_a_model_is_named_in_the_same_way(typed):
    assert parse_repository(typed, MODEL) == Repository(MODEL, "openai-community/gpt2")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "./stories",
        "../stories",
        "/etc/passwd",
        "~/stories",
        "C:\\data\\stories",
        "c:/data",
        "lab\\stories",
        "lab/stories/train.csv",
        "lab/stories//",
        "example.org/datasets/lab/stories",
        "lab/../stories",
        "lab/..",
        "lab/.",
        ".lab/stories",
        "lab/sto ries",
        "lab/stories\n/x",
        "lab/stories\0",
        "lab/sto‮ries",
        "file:///etc/passwd",
        "hf://datasets/lab/stories",
        "s3://lab/stories",
        "https://",
        "https://huggingface.co/",
        "https://huggingface.co/datasets",
        "https://huggingface.co/spaces/lab/stories",
        "https://[oops/datasets/lab/stories",
        "-lab/stories",
        "lab/" + "x" * 200,
    ],
)
def test_a_path_or_anything_else_is_refused_with_what_to_type(typed):
    with pytest.raises(JobError, match=r"is not the name of a dataset|has no owner") as refused:
        parse_repository(typed)

    assert "owner/name" in refused.value.advice
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("parse", [parse_repository, parse_revision])
@pytest.mark.parametrize("typed", [CANARY, f"lab/{CANARY}", f"https://huggingface.co/datasets/lab/{CANARY}"])
def test_a_token_is_neither_and_is_not_quoted(parse, typed):
    with pytest.raises(JobError, match="This is a token") as refused:
        parse(typed)

    assert CANARY not in f"{refused.value} {refused.value.advice}"


@pytest.mark.parametrize(
    ("typed", "revision"),
    [
        ("https://huggingface.co/datasets/lab/stories/tree/v2/data", "v2"),
        ("hf.co/datasets/lab/stories/blob/main/a.csv", "main"),
        ("https://huggingface.co/lab/stories/resolve/refs%2Fpr%2F1/a.json?download=true", "refs/pr/1"),
        ("https://huggingface.co/datasets/tree/main", ""),
        ("https://huggingface.co/datasets/lab/stories", ""),
        ("lab/stories", ""),
        ("https://[oops/datasets/lab/stories/tree/v2", "v2"),
    ],
)
def test_the_revision_of_an_address_is_seen(typed, revision):
    assert revision_in(typed) == revision


def test_a_name_without_an_owner_is_told_what_is_missing():
    with pytest.raises(JobError, match="“squad” has no owner") as refused:
        parse_repository("squad")

    assert "owner/name" in refused.value.advice


def test_an_address_of_the_other_kind_is_told_apart():
    with pytest.raises(JobError, match="This is the address of a model, not of a dataset"):
        parse_repository("https://huggingface.co/lab/stories")
    with pytest.raises(JobError, match="This is the address of a dataset, not of a model"):
        parse_repository("https://huggingface.co/datasets/lab/stories", MODEL)


@given(st.text(max_size=60) | st.text("ab./\\~:-_ ", max_size=12))
def test_whatever_is_typed_becomes_a_plain_name_or_a_refusal(typed):
    try:
        name = parse_repository(typed).name
    except JobError:
        return
    owner, slash, rest = name.partition("/")
    assert owner
    assert slash
    assert set(name) <= set(string.ascii_letters + string.digits + "_.-/")
    assert rest not in ("", ".", "..")
    assert name.count("/") == 1


@pytest.mark.parametrize(("typed", "revision"), [("", "main"), (" v1.0 ", "v1.0"), ("refs/pr/1", "refs/pr/1")])
def test_a_revision_is_a_branch_a_tag_or_a_commit(typed, revision):
    assert parse_revision(typed) == revision


@pytest.mark.parametrize("typed", ["../main", "a//b", "/etc", "a b", "main/", "x" * 300, "a\nb"])
def test_anything_else_is_no_revision(typed):
    with pytest.raises(JobError, match="is not a revision"):
        parse_revision(typed)
