"""The first rows as they would be tokenized, made by a child process."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.children import Child, ChildDied
from datasets_app.errors import JobError
from tests.engine_samples import spec
from tokenizations.engine.preview import SHOWN_CHARACTERS, preview

CHATS: list[Any] = [
    [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}],
    [{"role": "user", "content": None}],
    None,
]
TEMPLATE = (
    "{% for m in messages %}{% if not m.content %}{{ raise_exception('Nobody speaks') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
)


@pytest.fixture
def part(tmp_path: Path) -> str:
    texts = ["<b>One</b>", None, "x" * 5000]
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"text": texts, "title": ["A", "B", "C"], "chat": CHATS}), path)
    return str(path)


def shown(part: str, **options: Any) -> list[dict[str, str]]:
    return preview(spec(**options).to_dict(), part, 3)


def test_a_column_is_shown_as_it_is_but_not_at_any_length(part: str) -> None:
    assert shown(part) == [{"text": "<b>One</b>"}, {"text": ""}, {"text": "x" * SHOWN_CHARACTERS + "…"}]


def test_columns_are_put_into_the_template_and_cleaned(part: str) -> None:
    rows = shown(part, text_column="", template="{title}: {text}", remove_html=True, lowercase=True)

    assert rows[0] == {"text": "a: one"}
    assert rows[1] == {"text": "b: "}


def test_chats_are_rendered_and_a_refusal_is_told_at_its_row(part: str) -> None:
    rows = shown(part, text_column="chat", chat=True, chat_template=TEMPLATE, special_tokens=False, eos_token="</s>")

    assert rows[0] == {"text": "<user>Hello</s><assistant>Good day</s>"}
    assert "Nobody speaks" in rows[1]["problem"]
    assert rows[2] == {"text": ""}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text_column": "nothing"}, "There is no column nothing."),
        ({"text_column": "chat"}, "has no text column called 'chat'"),
        ({"text_column": "chat", "chat": True, "chat_template": "{% for"}, "The chat template is broken on line 1"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(part: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(JobError, match=said):
        shown(part, **options)


def test_a_template_that_never_ends_is_ended(part: str) -> None:
    forever = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    chosen = spec(text_column="chat", chat=True, chat_template=forever, special_tokens=False)
    child = Child("tokenizations.engine.child", memory_limit_bytes=2 << 30, silence_seconds=4)

    with pytest.raises(ChildDied, match="finished nothing in 4 s"):
        list(child.run({"preview": {"spec": chosen.to_dict(), "part": part, "rows": 3}}))


def test_a_child_answers_with_the_texts(part: str) -> None:
    child = Child("tokenizations.engine.child", memory_limit_bytes=2 << 30)
    try:
        *_, last = child.run({"preview": {"spec": spec().to_dict(), "part": part, "rows": 1}})
    finally:
        child.close()

    assert last == {"done": {"texts": [{"text": "<b>One</b>"}]}}
