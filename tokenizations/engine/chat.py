"""Renders chats with a Jinja template, in the sandbox of transformers.

A template comes from a stranger. The sandbox keeps it from Python's internals and from changing what it is given, and
its `range` ends at 100,000. Nothing there keeps a template from taking long, or much memory, be it with loops within
loops or with `'a' * 10**10`, and some of that happens as soon as it is compiled: make a ChatRenderer in a child process
only, which is watched and killed (`datasets_app.children`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tokenizations.engine.rules import OptionError
from tokenizations.engine.tokenizer_files import one_line

Message = dict[str, Any]
Spans = list[tuple[int, int]]

OPTION = "chat_template"
REPAIR = "Repair the template, or leave it empty to use the tokenizer’s own."
# What ShareGPT's names for who speaks are called in the templates; any other name stays.
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
# A shard that is retried has to come to the same bytes: nothing in a template may depend on the hour, or on chance.
GLOBALS_LEFT_OUT = ("strftime_now", "lipsum")
FILTERS_LEFT_OUT = ("random",)
ASKED, ANSWERED = {"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Fine, thank you."}
# Some templates take no system message, and some want one.
SAMPLES: list[list[Message]] = [[ASKED, ANSWERED], [{"role": "system", "content": "Be brief."}, ASKED, ANSWERED]]


class ChatError(ValueError):
    """A template refused one chat, or one is not a chat; the text is a sentence."""


@dataclass(frozen=True)
class Rendered:
    """`spans` are where {% generation %} stands in the text, in characters: what the assistant says."""

    text: str
    spans: Spans


class ChatRenderer:
    """One template, compiled once; not for two threads at once.

    `tokens` are what it may know of the tokenizer, such as `{"bos_token": "<s>"}`; empty ones are not defined in it, as
    in transformers. Raises OptionError for a template that does not compile. Unlike in transformers there is no clock:
    a template that asks for today's date gets what it would take without one, or is refused.
    """

    def __init__(self, template: str, tokens: Mapping[str, str]) -> None:
        # Slow: two seconds, once in a process.
        from transformers.utils import chat_template_utils

        self._library = chat_template_utils
        self._template = _compiled(template, chat_template_utils)
        self._values = {name: token for name, token in tokens.items() if token}

    def render(self, messages: Iterable[Message]) -> Rendered:
        """Raises ChatError if the template refuses them, or fails on them."""
        library = self._library
        try:
            chat = library._alias_reasoning_fields(library._plain_template_data(list(messages)))
            text, spans = library._render_with_assistant_indices(
                compiled_template=self._template,
                messages=chat,
                tools=None,
                documents=None,
                add_generation_prompt=False,
                **self._values,
            )
            text.encode()  # half of a surrogate pair is nothing that a tokenizer takes
        except MemoryError:
            raise
        except Exception as error:  # an expression in a template may raise whatever Python does
            raise ChatError(f"The chat template refused a chat: {one_line(error)}.") from error
        return Rendered(text, spans)


def check_template(template: str, tokens: Mapping[str, str]) -> None:
    """Try a template on small chats. Raises OptionError if it does not compile, or renders none of them.

    It may take forever: call it in a child process.
    """
    renderer = ChatRenderer(template, tokens)
    refusals = []
    for sample in SAMPLES:
        try:
            text = renderer.render(sample).text
        except ChatError as refusal:
            refusals.append(refusal)
            continue
        if not text.strip():
            raise OptionError(OPTION, "The chat template makes nothing of a chat.", REPAIR)
        return
    raise OptionError(OPTION, str(refusals[0]), REPAIR)


def normalized(messages: Iterable[Mapping[str, Any] | None], keys: tuple[str, str]) -> list[Message]:
    """Messages as templates know them, with `role` and `content`; `keys` are what these are called here.

    Fields that are null are left out, also within others: a column has every field that any of its rows has. The
    content stays, as templates ask for it: it is None beside tool calls, as OpenAI has it, else empty. Raises ChatError
    for a message without a role.
    """
    return [_normalized(message, *keys) for message in messages if message is not None]


def _normalized(message: Mapping[str, Any], role_key: str, content_key: str) -> Message:
    role, content = message[role_key], message[content_key]
    if role is None:
        raise ChatError("A message has no role.")
    others = {name: value for name, value in message.items() if name not in (role_key, content_key)}
    filled: Message = _without_nulls(others)
    if content is None and not filled.get("tool_calls"):
        content = ""
    return {"role": ROLES.get(role, role) if role_key == "from" else role, "content": content, **filled}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _compiled(template: str, library: Any) -> Any:
    from jinja2 import TemplateSyntaxError

    environment = library._cached_compile_jinja_template("").environment  # a fresh one each time, despite its name
    for name in GLOBALS_LEFT_OUT:
        del environment.globals[name]
    for name in FILTERS_LEFT_OUT:
        del environment.filters[name]
    try:
        return environment.from_string(template)
    except TemplateSyntaxError as error:
        _refuse(f"The chat template is broken on line {error.lineno}: {one_line(error)}.", error)
    except (SyntaxError, RecursionError) as error:  # Python's own, for what is nested too deeply
        _refuse("The chat template is nested too deeply.", error)
    except (ValueError, OverflowError) as error:
        _refuse(f"The chat template is broken: {one_line(error)}.", error)


def _refuse(text: str, error: Exception) -> NoReturn:
    raise OptionError(OPTION, text, REPAIR) from error
