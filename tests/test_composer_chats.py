"""A dataset of chats in the composer."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from datasets_app.jobs import Status
from datasets_app.models import Dataset
from tests import real
from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenizer, tokenize
from tokenizations.tokenizing import TokenizeWork

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


def chats(count: int) -> list[Any]:
    return [[{"role": "user", "content": f"Ask {n}"}, {"role": "assistant", "content": "Naïve"}] for n in range(count)]


@pytest.fixture
def talks(db, tmp_path) -> Dataset:
    path = tmp_path / "talks.parquet"
    pq.write_table(pa.table({"id": range(9), "messages": chats(9)}), path)
    return real.imported("talks", path)


@pytest.fixture
def speaker(db, tmp_path) -> Tokenizer:
    made = real.added("speaker", real.byte_bpe(tmp_path / "tokenizer.json"))
    Tokenizer.objects.filter(pk=made.pk).update(chat_template=TEMPLATE)
    return Tokenizer.objects.get(pk=made.pk)


def test_the_composer_shows_the_chats_as_the_template_makes_them(as_owner, talks, speaker):
    address = reverse("tokenizations:preview", args=[talks.pk])
    chosen = {"tokenizer": str(speaker.pk), "text_column": "messages", "chat": "on", "splits": ["train"]}

    html = as_owner.post(address, chosen, headers={"HX-Request": "true"}).content.decode()

    assert "&lt;user&gt;Ask 0&lt;assistant&gt;Naïve" in html
    assert "Ask 3" in html
    assert "Ask 4" not in html


@pytest.mark.parametrize(
    ("chosen", "advice"),
    [
        ({"text_column": "messages"}, "Turn the chat on."),
        ({"template": "{messages}"}, "It holds chats, which go into no template."),
    ],
)
def test_chats_that_are_not_read_as_such_are_refused_with_the_way_out(talks, speaker, chosen, advice):
    with pytest.raises(OptionError, match="talks has no text column messages") as refusal:
        tokenize(talks, speaker, Spec(**{"text_column": "", "splits": (), **chosen}), None)

    assert refusal.value.advice == advice


def test_text_that_is_read_as_chats_is_refused_with_the_way_out(speaker, tmp_path):
    prose = real.imported("prose", real.parquet(tmp_path / "prose.parquet", ["One.", "Two."]))

    with pytest.raises(OptionError, match="prose has no chat column text") as refusal:
        tokenize(prose, speaker, Spec("text", (), chat=True, special_tokens=False), None)

    assert refusal.value.advice == "Turn the chat off."


def test_chats_become_tokens_without_naming_their_column(talks, speaker):
    job, _ = tokenize(talks, speaker, Spec("", (), chat=True, special_tokens=False), None)
    real.work_off(TokenizeWork())

    job.refresh_from_db()
    assert (job.status, job.failure) == (Status.READY, "")
    assert job.spec["text_column"] == "messages"
    assert job.statistics["rows"] == 9
