"""Trying a chat template, which may come from anybody: in a child process, so that it can be stopped."""

from collections.abc import Mapping
from functools import lru_cache

from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from tokenizations.engine.rules import OptionError

# Loading transformers alone takes a few of them.
TRYING_SECONDS = 20.0
TRYING_MEMORY_BYTES = 1 << 30
# So that one template for many datasets is tried once.
PASSED_REMEMBERED = 64


def check_chat_template(template: str, roles: Mapping[str, str]) -> None:
    """Raise OptionError for a template that does not compile or renders no small chat, in the time and memory it has.

    `roles` are the tokenizer's own tokens for bos, eos and pad. Takes some seconds.
    """
    _try(template, tuple(sorted((f"{role}_token", token) for role, token in roles.items() if token)))


@lru_cache(PASSED_REMEMBERED)
def _try(template: str, tokens: tuple[tuple[str, str], ...]) -> None:
    child = Child("tokenizations.engine.child", memory_limit_bytes=TRYING_MEMORY_BYTES, silence_seconds=TRYING_SECONDS)
    try:
        list(child.run({"chat_template": template, "tokens": dict(tokens)}))
    except JobError as refusal:
        raise OptionError("chat_template", str(refusal), refusal.advice) from refusal
    except ChildDied as death:
        raise OptionError("chat_template", f"Trying the chat template {death}.", "Choose a simpler one.") from death
    finally:
        child.close()
