from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from datasets_app import keeper
from datasets_app.lookups import LookUp

pytestmark = pytest.mark.django_db


def asked(owner: User, of: str, seconds: int, state: str = LookUp.State.ASKING) -> LookUp:
    question = LookUp.objects.create(created_by=owner, of=of, repository="lab/stories", state=state)
    LookUp.objects.filter(pk=question.pk).update(asked_at=timezone.now() - timedelta(seconds=seconds))
    return question


@pytest.mark.parametrize(
    ("of", "seconds", "state"),
    [("dataset", 30, "asking"), ("dataset", 60, "waiting"), ("files", 60, "asking"), ("files", 900, "waiting")],
)
def test_a_question_whose_worker_died_is_asked_again(owner: User, of: str, seconds: int, state: str) -> None:
    question = asked(owner, of, seconds)

    keeper.answer_look_ups()

    question.refresh_from_db()
    assert question.state == state


def test_only_one_worker_takes_a_question(owner: User) -> None:
    question = asked(owner, "dataset", 0, LookUp.State.WAITING)

    assert question.take()
    assert not question.take()


def test_what_is_answered_is_not_asked_again(owner: User) -> None:
    question = asked(owner, "dataset", 900)
    question.settle({"listing": {}})

    keeper.answer_look_ups()

    question.refresh_from_db()
    assert question.state == LookUp.State.ANSWERED


def test_questions_go_after_a_day(owner: User) -> None:
    question = asked(owner, "dataset", 0)
    LookUp.objects.filter(pk=question.pk).update(created_at=timezone.now() - timedelta(days=2))

    keeper.sweep()

    assert not LookUp.objects.exists()


def test_a_newer_question_of_the_same_person_replaces_the_one_that_waits(owner: User, colleague: User) -> None:
    others = LookUp.ask(colleague, of="dataset", repository="lab/stories")
    first = LookUp.ask(owner, of="dataset", repository="lab/stories")
    files = LookUp.ask(owner, of="files", repository="lab/words")

    second = LookUp.ask(owner, of="tokenizer", repository="lab/words")

    assert set(LookUp.objects.waiting()) == {others, files, second}
    first.refresh_from_db()
    assert (first.state, first.advice) == (LookUp.State.REFUSED, "Ask it again.")


def test_who_waits_is_told_how_many_come_before(owner: User, colleague: User, as_owner: Client) -> None:
    before = LookUp.ask(colleague, of="dataset", repository="lab/stories")
    LookUp.ask(colleague, of="files", repository="lab/words")
    LookUp.objects.update(created_at=timezone.now() - timedelta(seconds=2))
    mine = LookUp.ask(owner, of="dataset", repository="lab/stories")
    mine.refresh_from_db()
    address = f"/datasets/hub/{mine.pk}/"

    waiting = as_owner.get(address).content.decode()
    same = as_owner.get(f"{address}?seen=asking-1", headers={"HX-Request": "true"})
    before.take()

    assert "1 question of others is asked before." in waiting
    assert same.status_code == 204
    assert "This takes a few seconds." in as_owner.get(address).content.decode()
