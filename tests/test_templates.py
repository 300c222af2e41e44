import re
import uuid
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from datasets_app.models import Dataset
from tests import factories, real
from tokenizations.engine.rules import OptionError
from tokenizations.engine.spec import Spec
from tokenizations.models import Tokenization, Tokenizer, tokenize
from tokenizations.templates import check_chat_template


def test_a_template_is_tried_in_a_process_of_its_own() -> None:
    check_chat_template("{{ bos_token + messages[0].content }}", {"bos": "<s>"})

    with pytest.raises(OptionError, match="broken on line 1") as caught:
        check_chat_template("{% if %}", {})
    assert caught.value.option == "chat_template"


def test_a_template_that_would_take_forever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenizations.templates.TRYING_SECONDS", 10.0)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

    with pytest.raises(OptionError, match="finished nothing in 10 s"):
        check_chat_template(loops, {})


def test_a_template_that_wants_all_memory_is_stopped() -> None:
    with pytest.raises(OptionError, match="Trying the chat template"):
        check_chat_template("{{ 'a' * 10**11 }}", {})


def test_what_has_passed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    template = f"{{{{ messages }}}} {uuid.uuid4()}"
    check_chat_template(template, {"bos": "<s>"})
    monkeypatch.setattr("tokenizations.templates.TRYING_SECONDS", 0.0)

    check_chat_template(template, {"bos": "<s>", "eos": ""})

    with pytest.raises(OptionError, match="finished nothing"):
        check_chat_template(template, {"bos": "</s>"})


# Wherever one is given, before anything is queued

BROKEN = "{% for m in messages %}{{ m.content }"
SLOW = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
REFUSALS = [
    (BROKEN, "The chat template is broken on line 1: "),
    ("{{ ''.__class__.__mro__ }}", "The chat template refused a chat: "),
    (SLOW, "Trying the chat template finished nothing in 10 s."),
]


@pytest.fixture
def chats(owner: User, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setattr("tokenizations.templates.TRYING_SECONDS", 10.0)
    made = factories.ready_dataset("talks", created_by=owner)
    columns = [["messages", "list<item: struct<role: string, content: string>>"]]
    Dataset.objects.filter(pk=made.pk).update(columns=columns, text_column="")
    made.parts.update(row_groups=[{"rows": 40, "bytes": {"messages": 1000}}])
    return Dataset.objects.select_related("import_job").get(pk=made.pk)


@pytest.mark.parametrize(("template", "said"), REFUSALS)
def test_the_composer_tells_it_at_the_option(as_owner: Client, chats: Dataset, template: str, said: str) -> None:
    chosen = {"tokenizer": str(factories.tokenizer().pk), "chat": "on", "chat_template": template}
    rest = {"splits": ["train"], "filter_mode": "none", "parse_special_tokens": "on", "text_column": "messages"}

    answer = as_owner.post(reverse("tokenizations:new", args=[chats.pk]), chosen | rest)

    errors = answer.context["form"].errors
    assert answer.status_code == 422
    assert list(errors) == ["chat_template"]
    assert said in errors["chat_template"][0]
    assert not Tokenization.objects.exists()


@pytest.mark.parametrize(("template", "said"), REFUSALS[:2])
def test_the_command_says_it_in_one_line(chats: Dataset, template: str, said: str) -> None:
    factories.tokenizer("bytes")

    with pytest.raises(CommandError, match=re.escape(said)) as refused:
        call_command("tokenize", "talks", "bytes", "--chat", f"--chat-template={template}", "--detach")

    assert "\n" not in str(refused.value)
    assert not Tokenization.objects.exists()


def test_a_tokenizers_own_template_is_no_better(chats: Dataset) -> None:
    tokenizer = factories.tokenizer()
    Tokenizer.objects.update(chat_template=BROKEN)
    tokenizer.refresh_from_db()

    with pytest.raises(OptionError, match="broken on line 1"):
        tokenize(chats, tokenizer, Spec("", (), chat=True, special_tokens=False), None)

    assert not Tokenization.objects.exists()


def test_it_sees_the_tokens_that_were_chosen(chats: Dataset) -> None:
    tokenizer = factories.tokenizer()
    Tokenizer.objects.update(special_tokens={"<s>": 1})
    tokenizer.refresh_from_db()
    options = {"chat": True, "chat_template": "{{ bos_token + '' }}", "special_tokens": False}

    job, _ = tokenize(chats, tokenizer, Spec("", (), bos_token="<s>", **options), None)

    assert job.options.bos_token == "<s>"


def test_a_tokenizer_that_brings_a_bad_one_is_taken_for_what_it_can_do(db: None, tmp_path: Path) -> None:
    real.byte_bpe(tmp_path / "tokenizer.json", vocabulary=577)  # as no other test adds it
    (tmp_path / "chat_template.jinja").write_text(BROKEN)

    call_command("add_tokenizer", "small", str(tmp_path))

    assert Tokenizer.objects.get().chat_template == BROKEN
