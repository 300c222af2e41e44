import pytest

from tokenizations.engine.rules import OptionError
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
