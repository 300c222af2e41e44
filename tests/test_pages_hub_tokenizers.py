"""Tokenizers of the Hub, by page and by command, from a real Hub on loopback."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from datasets_app import looking_up
from datasets_app.hub_tokens import HubToken
from datasets_app.looking_up import answer_each
from datasets_app.lookups import ACTORS, LookUp
from datasets_app.management.commands.worker import BESIDE
from tests.hub.examples import add_examples, tokenizer_json
from tests.hub.faults import Slow, Status
from tests.hub.fixtures import CANARY
from tests.hub.server import Hub
from tests.test_pages_hub import text_of
from tokenizations import from_hub
from tokenizations.from_hub import added
from tokenizations.models import Tokenizer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def here(our_hub: Hub) -> None:
    add_examples(our_hub)


def asked(client: Client, repository: str, **more: Any) -> str:
    response = client.post("/tokenizers/hub/", {"repository": repository, **more})
    looking_up.answer_all()
    return str(response["Location"])


def work() -> None:
    """What a woken worker does."""
    answer_each(added, LookUp.Of.FILES)


def test_its_files_are_shown_fetched_and_added(as_owner: Client, owner: User, hub: Hub) -> None:
    address = asked(as_owner, "lab/words")
    said = text_of(as_owner, address)
    assert "tokenizer.json" in said
    assert "model.safetensors" not in said

    fetching = as_owner.post(address, {"name": "words"})["Location"]
    assert "Asking the Hub" in text_of(as_owner, fetching)
    work()

    assert as_owner.get(fetching)["Location"] == "/tokenizers/"
    tokenizer = Tokenizer.objects.get()
    assert (tokenizer.name, tokenizer.created_by, tokenizer.path.read_bytes()) == ("words", owner, tokenizer_json())
    assert tokenizer.source.startswith("lab/words ")
    assert not [each for each in hub.log if each.path.endswith("model.safetensors")]


def test_a_wait_that_the_hub_asks_for_is_told_and_not_sat_out(as_owner: Client, hub: Hub) -> None:
    hub.fault("tokenizer.json", Status(429, {"Retry-After": "300"}))
    fetching = as_owner.post(asked(as_owner, "lab/words"), {"name": "words"})["Location"]

    work()

    assert "too many requests from this server. Try again in 5 minutes." in text_of(as_owner, fetching)


def test_files_that_take_too_long_are_given_up(as_owner: Client, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_up, "FETCH_SECONDS", 0.5)
    hub.fault("tokenizer.json", Slow(0.1, 1))
    fetching = as_owner.post(asked(as_owner, "lab/words"), {"name": "words"})["Location"]

    work()

    assert "tokenizer.json is not here. Try again later." in text_of(as_owner, fetching)


def test_how_much_has_come_is_shown(as_owner: Client) -> None:
    fetching = as_owner.post(asked(as_owner, "lab/words"), {"name": "words"})["Location"]
    question = LookUp.objects.get(of=LookUp.Of.FILES)
    question.take()

    assert question.report(received=500, waiting=0)
    assert "500 bytes of" in text_of(as_owner, fetching)
    assert as_owner.get(f"{fetching}?seen=500-0", HTTP_HX_REQUEST="true").status_code == 204
    assert question.report(received=500, waiting=7)
    assert "Waiting for the Hub, 7 s" in text_of(as_owner, fetching)


def test_a_fetch_is_cancelled_half_way(as_owner: Client, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fault("tokenizer.json", Slow(0.1, 1))
    monkeypatch.setattr(from_hub, "REPORT_SECONDS", 0.0)
    fetching = as_owner.post(asked(as_owner, "lab/words"), {"name": "words"})["Location"]
    report = LookUp.report

    def cancel_first(question: LookUp, **progress: Any) -> bool:
        assert as_owner.post(fetching, {"cancel": ""})["Location"] == "/tokenizers/hub/"
        return report(question, **progress)

    monkeypatch.setattr(LookUp, "report", cancel_first)
    work()

    assert not Tokenizer.objects.exists()
    assert not LookUp.objects.filter(of=LookUp.Of.FILES).exists()


def test_what_has_come_is_not_cancelled(as_owner: Client) -> None:
    address = asked(as_owner, "lab/words")

    assert as_owner.post(address, {"cancel": ""})["Location"] == address
    assert LookUp.objects.get().state == LookUp.State.ANSWERED


def test_files_of_others_hold_no_question_up() -> None:
    queues = {kind: queue for kind, (queue, _) in ACTORS.items()}

    assert queues[LookUp.Of.FILES] not in (queues[LookUp.Of.DATASET], queues[LookUp.Of.TOKENIZER])
    assert set(BESIDE["import"]) == set(queues.values())


def test_the_same_tokenizer_twice_is_told_on_the_page(as_owner: Client) -> None:
    for name in ("words", "others"):
        fetching = as_owner.post(asked(as_owner, "lab/words"), {"name": name})["Location"]
        work()

    assert "already here as words" in text_of(as_owner, fetching)
    assert Tokenizer.objects.count() == 1


def test_a_name_that_is_taken_is_told_before_anything_is_fetched(as_owner: Client) -> None:
    call_command("add_tokenizer", "words", hub="lab/words")

    response = as_owner.post(asked(as_owner, "lab/words"), {"name": "words"})

    assert response.status_code == 422
    assert "There is already a tokenizer named words" in response.content.decode()


def test_a_token_is_no_name_of_a_tokenizer(as_owner: Client) -> None:
    response = as_owner.post(asked(as_owner, "lab/words"), {"name": CANARY})

    assert response.status_code == 422
    assert CANARY not in response.content.decode()
    with pytest.raises(CommandError, match="This is a token"):
        call_command("add_tokenizer", CANARY, hub="lab/words")


@pytest.mark.parametrize("typed", ["words", "https://huggingface.co/datasets/lab/stories", "../x"])
def test_what_names_no_tokenizer_is_refused_at_once(as_owner: Client, typed: str) -> None:
    assert as_owner.post("/tokenizers/hub/", {"repository": typed}).status_code == 422


def test_a_repository_without_a_tokenizer_is_refused(as_owner: Client, hub: Hub) -> None:
    hub.add("lab/weights", {"model.safetensors": bytes(100)}, kind="model")

    assert "holds no tokenizer" in text_of(as_owner, asked(as_owner, "lab/weights"))


def test_nobody_else_sees_the_answer(as_owner: Client, as_colleague: Client) -> None:
    assert as_colleague.get(asked(as_owner, "lab/words")).status_code == 404


def test_the_pages_of_datasets_and_tokenizers_do_not_mix(as_owner: Client) -> None:
    address = asked(as_owner, "lab/words")

    assert as_owner.get(address.replace("/tokenizers/", "/datasets/")).status_code == 404


def test_the_command_takes_a_tokenizer_of_the_hub(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("add_tokenizer", "words", hub="lab/words", json=True)

    said = json.loads(capsys.readouterr().out)
    assert said["name"] == "words"
    assert Tokenizer.objects.get().pk.hex == said["id"].replace("-", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "Say where the tokenizer is"),
        ({"hub": "lab/words", "paths": ["a.json"]}, "Both a path and --hub are given"),
        ({"hub": "words"}, "has no owner"),
        ({"hub": "lab/nothing"}, "is not on the Hub, or it is private"),
        ({"hub": "lab/words", "revision": "v9"}, "has no revision v9"),
        ({"hub": "lab/words", "token_id": "7"}, "There is no such token"),
    ],
)
def test_a_command_in_vain_ends_with_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("add_tokenizer", "words", *arguments.pop("paths", []), **arguments)


def test_a_gated_tokenizer_comes_with_its_owner_s_token(owner: User, hub: Hub) -> None:
    hub.add("lab/locked", {"tokenizer.json": tokenizer_json()}, kind="model", gated="auto")
    hub.add_token(CANARY, "lab/locked")
    stored = HubToken.store(owner, "mine", CANARY)

    call_command("add_tokenizer", "locked", hub="lab/locked", token_id=str(stored.pk))

    assert Tokenizer.objects.get().name == "locked"
    assert HubToken.objects.get() == stored


@pytest.mark.parametrize("by_command", [True, False])
def test_a_token_for_one_download_goes_with_the_tokenizer(
    as_owner: Client, owner: User, hub: Hub, by_command: bool
) -> None:
    hub.add("lab/locked", {"tokenizer.json": tokenizer_json()}, kind="model", gated="auto")
    hub.add_token(CANARY, "lab/locked")
    once = HubToken.store(owner, "once", CANARY, kept=False)

    if by_command:
        call_command("add_tokenizer", "locked", hub="lab/locked", token_id=str(once.pk))
    else:
        fetching = as_owner.post(asked(as_owner, "lab/locked", token=once.pk), {"name": "locked"})["Location"]
        work()
        assert as_owner.get(fetching)["Location"] == "/tokenizers/"

    assert Tokenizer.objects.get().name == "locked"
    assert not HubToken.objects.exists()
