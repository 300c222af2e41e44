from datetime import timedelta

import pytest
from django.contrib.auth.models import User
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
