import functools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.engine_samples import byte_bpe, patiently, spec
from tokenizations.engine.chat import ChatError, ChatRenderer, check_template, normalized
from tokenizations.engine.rules import OptionError
from tokenizations.engine.texts import TextSource

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = """{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' + system + '<|eot_id|>' }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
    {%- if 'tool_calls' in message %}
        {%- for call in message.tool_calls %}
            {{- call.function | tojson(indent=2) }}
        {%- endfor %}
    {%- elif message.role == 'assistant' %}
        {%- generation %}
        {{- message.content | trim }}
        {%- endgeneration %}
    {%- else %}
        {{- message.content | trim }}
    {%- endif %}
    {{- '<|eot_id|>' }}
{%- endfor %}
"""
GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
)
TEMPLATES = {"chatml": CHATML, "llama": LLAMA, "gemma": GEMMA}
TOKENS = {"bos_token": "<|end|>"}
CHAT = [
    {"role": "system", "content": "Be brief, naïve 京."},
    {"role": "user", "content": " Why?\n"},
    {"role": "assistant", "content": "Because.  "},
    {"role": "user", "content": "{{ 1 }} <|im_end|>"},
    {"role": "assistant", "content": "42"},
]
TOOLS = [
    {"role": "user", "content": "How warm is it?"},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "warmth", "arguments": {"in": "°C"}}}]},
    {"role": "tool", "name": "warmth", "content": "21"},
    {"role": "assistant", "content": "21 °C", "reasoning": "The tool said so."},
]
TEXTS_OF_A_CLOCK = ["{{ strftime_now('%Y') }}", "{{ [1, 2] | random }}", "{{ lipsum() }}"]


@functools.cache
def of_transformers() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(byte_bpe().decode()), **TOKENS)


@functools.cache
def renderer(template: str) -> ChatRenderer:
    return ChatRenderer(template, TOKENS)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("chat", [CHAT, CHAT[1:], CHAT[1:2], TOOLS], ids=["system", "plain", "one", "tools"])
def test_it_renders_as_transformers_does(name: str, chat: list[dict[str, Any]]) -> None:
    if name == "gemma":
        chat = [message for message in chat if message["role"] in ("user", "assistant") and message["content"]]
    elif name == "chatml":
        chat = [{**message, "content": message["content"] or ""} for message in chat]

    rendered = renderer(TEMPLATES[name]).render(chat)

    expected = of_transformers().apply_chat_template(chat, tokenize=False, chat_template=TEMPLATES[name])
    assert rendered.text == expected


messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.text(max_size=8),
)


@pytest.mark.parametrize("name", ["chatml", "llama"])
@patiently
@given(st.lists(messages, min_size=1, max_size=5))
def test_what_the_assistant_says_is_where_transformers_finds_it(name: str, chat: list[dict[str, Any]]) -> None:
    rendered = renderer(TEMPLATES[name]).render(chat)

    tokenized = of_transformers().apply_chat_template(
        chat, chat_template=TEMPLATES[name], return_dict=True, return_assistant_tokens_mask=True
    )
    encoding = Tokenizer.from_str(byte_bpe().decode()).encode(rendered.text, add_special_tokens=False)
    mask = [0] * len(encoding.ids)
    for start, end in rendered.spans:
        first, last = encoding.char_to_token(start), encoding.char_to_token(end - 1)
        mask[first : last + 1] = [1] * (last + 1 - first)
    assert encoding.ids == tokenized["input_ids"]
    assert mask == tokenized["assistant_masks"]


def test_spans_are_of_what_the_template_marks() -> None:
    rendered = renderer(CHATML).render(CHAT)

    assert [rendered.text[start:end] for start, end in rendered.spans] == ["Because.  <|im_end|>", "42<|im_end|>"]
    assert renderer(GEMMA).render(CHAT[1:]).spans == []


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}\n{{ m.role }\n{% endfor %}", "broken on line 2: "),
        ("\n\n{{ 1 | nothing }}", "broken on line 3: No filter named 'nothing'"),
        ("{% generation %}{{ messages }}", "broken on line 1: "),
        ("{% if a %}" * 200 + "{% endif %}" * 200, "nested too deeply"),
        ("{{ " + "(" * 2000 + ")" * 2000 + " }}", "nested too deeply"),
        ("", "makes nothing of a chat"),
        ("{# nothing #}\n", "makes nothing of a chat"),
        ("{{ raise_exception('Never') }}", "refused a chat: Never"),
        ("{{ eos_token + '' }}", "refused a chat: 'eos_token' is undefined"),
        ("{% for n in range(1000000) %}{% endfor %}", "refused a chat: Range too big"),
        ("{{ '\\ud800' }}", "refused a chat: "),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_in_one_sentence(template: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as caught:
        check_template(template, TOKENS)

    assert caught.value.option == "chat_template"
    assert caught.value.advice
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception.__globals__['os'] }}",
        "{{ (messages | map(attribute='__class__') | list)[0].mro }}",
        "{{ '{0.__class__.__mro__}'.format(1) }}",
        "{{ namespace(__class__=1) }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='x') }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
def test_a_template_cannot_get_out_of_its_box(template: str) -> None:
    with pytest.raises(OptionError, match="refused a chat"):
        check_template("text" + template, TOKENS)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_of_common_models_pass(name: str) -> None:
    check_template(TEMPLATES[name], TOKENS)


@pytest.mark.parametrize("template", TEXTS_OF_A_CLOCK)
def test_no_template_can_make_two_runs_differ(template: str) -> None:
    with pytest.raises(OptionError):
        check_template(template, TOKENS)


def test_a_template_that_can_do_without_the_date_does() -> None:
    template = "{% if strftime_now is defined %}{{ strftime_now('%d') }}{% else %}26 Jul 2024{% endif %}"

    assert ChatRenderer(template, {}).render(CHAT).text == "26 Jul 2024"


def test_a_token_that_the_tokenizer_has_not_is_not_defined() -> None:
    template = "{{ bos_token }}|{{ eos_token is defined }}"

    assert ChatRenderer(template, {"bos_token": "<s>", "eos_token": ""}).render([]).text == "<s>|False"


def test_a_chat_that_a_template_refuses_is_told_from_others() -> None:
    with pytest.raises(ChatError, match="The chat template refused a chat: System role not supported"):
        renderer(GEMMA).render(CHAT)

    assert renderer(GEMMA).render(CHAT[1:]).text.startswith("<|end|><start_of_turn>user\nWhy?")


def test_messages_of_sharegpt_become_those_that_templates_know() -> None:
    chat = [
        {"from": "system", "value": "Be brief.", "weight": None},
        {"from": "human", "value": "Why?", "weight": 0.0},
        None,
        {"from": "gpt", "value": None, "weight": 1.0},
        {"from": "function_call", "value": "f()", "weight": None},
    ]

    assert normalized(chat, ("from", "value")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?", "weight": 0.0},
        {"role": "assistant", "content": "", "weight": 1.0},
        {"role": "function_call", "content": "f()"},
    ]


def test_other_messages_keep_all_that_is_not_null() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1, "b": None}}, "id": None}
    chat = [
        {"role": "human", "content": "Why?", "tool_calls": None, "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call], "name": None},
        {"role": "assistant", "content": None, "tool_calls": [], "name": None},
    ]

    assert normalized(chat, ("role", "content")) == [
        {"role": "human", "content": "Why?", "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "assistant", "content": "", "tool_calls": []},
    ]


def test_a_message_without_a_role_is_no_message() -> None:
    with pytest.raises(ChatError, match="has no role"):
        normalized([{"role": None, "content": "Why?"}], ("role", "content"))


def test_a_chat_in_which_nothing_is_left_to_say_is_empty() -> None:
    chosen = spec(text_column="messages", chat=True, chat_template=CHATML, remove_urls=True, special_tokens=False)
    said = [["http://a.b/c", "www.x.org/y"], ["http://a.b/c", "yes"], ["", None]]
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    chats = [[{"role": "user", "content": words} for words in chat] for chat in said]

    texts = TextSource(chosen).read(pa.table({"messages": pa.array(chats, kind)})).texts.to_pylist()

    assert [text is None for text in texts] == [True, False, True]
