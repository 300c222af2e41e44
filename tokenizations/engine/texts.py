"""Makes one text of each row: the column itself, a template of columns, or a chat; cleaned, if that was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datasets_app.errors import JobError
from datasets_app.ingest.messages import message_keys
from datasets_app.ingest.schema import words_of
from tokenizations.engine.chat import ChatError, ChatRenderer, normalized
from tokenizations.engine.cleaning import Cleaner
from tokenizations.engine.columns import columns_of
from tokenizations.engine.filling import fill
from tokenizations.engine.rules import BOS, EOS, PAD
from tokenizations.engine.spec import Spec

Sizes = npt.NDArray[np.int64]
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Texts:
    """`texts` are string or large_string, null where there is none; `failed` are the rows that a template refused.

    `spans`, if there are any, say where in each text the assistant speaks, in characters.
    """

    texts: pa.Array
    failed: Sequence[int] = ()
    spans: Sequence[Spans] | None = None


class TextSource:
    """Follows the part of a spec that is about text. Raises OptionError for templates that are none."""

    def __init__(self, spec: Spec) -> None:
        self.columns = columns_of(spec)
        self._spec = spec
        self._cleaner = Cleaner(spec)
        tokens = {f"{role}_token": getattr(spec, f"{role}_token") for role in (BOS, EOS, PAD)}
        self._renderer = ChatRenderer(spec.chat_template, tokens) if spec.chat else None

    def check(self, schema: pa.Schema, name: str) -> None:
        """Raise JobError unless the columns are there, and of the right kind."""
        what, is_fit = ("chat", _is_chat) if self._spec.chat else ("text", _is_text)
        for column in self.columns:
            if column not in schema.names or not is_fit(schema.field(column).type):
                raise JobError(f"{name} has no {what} column called {column!r}.", f"Choose one of its {what} columns.")

    def sizes(self, table: pa.Table) -> Sizes:
        """Bytes of text of each row as it is stored, int64."""
        sizes = np.zeros(len(table), np.int64)
        for column in self.columns:
            sizes += _sizes(_array(table, column))
        return sizes

    def read(self, table: pa.Table) -> Texts:
        """The texts of these rows."""
        if self._renderer:
            return self._chats(_array(table, self.columns[0]))
        texts = self._joined(table)
        if self._cleaner.is_idle:
            return Texts(texts)
        cleaned = [None if text is None else self._cleaner.clean(text) for text in strings(texts)]
        return Texts(pa.array(cleaned, pa.large_string()))

    def _joined(self, table: pa.Table) -> pa.Array:
        columns = {name: _array(table, name) for name in self.columns}
        return fill(self._spec.template, columns) if self._spec.template else columns[self.columns[0]]

    def _chats(self, chats: pa.Array) -> Texts:
        keys = message_keys(str(chats.type))
        assert keys is not None, "the columns were checked"
        texts: list[str | None] = []
        spans: list[Spans] = []
        failed: list[int] = []
        for row, messages in enumerate(chats.to_pylist()):
            text: str | None = None
            said: Spans = []
            if messages:
                try:
                    cleaned = self._cleaned(normalized(messages, keys))
                    if self._cleaner.is_idle or _says_something(cleaned):
                        text, said = self._render(cleaned)
                except ChatError:
                    failed.append(row)
            texts.append(text)
            spans.append(said)
        return Texts(pa.array(texts, pa.large_string()), failed, spans if self._spec.assistant_mask else None)

    def _cleaned(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self._cleaner.is_idle:
            return messages
        return [
            said | {"content": self._cleaner.clean(said["content"])} if "content" in said else said for said in messages
        ]

    def _render(self, messages: list[dict[str, Any]]) -> tuple[str, Spans]:
        assert self._renderer is not None, "only for chats"
        rendered = self._renderer.render(messages)
        return rendered.text, rendered.spans


def _says_something(messages: list[dict[str, Any]]) -> bool:
    return any(message.get("content") or message.get("tool_calls") for message in messages)


def strings(texts: pa.Array) -> Iterator[str | None]:
    """Bytes that are no UTF-8 become U+FFFD: whoever cleans a text wants it clean."""
    for text in texts.cast(pa.large_binary()):
        raw = text.as_py()
        yield None if raw is None else raw.decode(errors="replace")


def _array(table: pa.Table, column: str) -> pa.Array:
    chunked = table.column(column)
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def text_sizes(texts: pa.Array) -> Sizes:
    """In bytes, int64, 0 for nulls."""
    sizes: Sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    return sizes.astype(np.int64, copy=False)


def _sizes(column: pa.Array) -> Sizes:
    if _is_text(column.type):
        return text_sizes(column)
    words = words_of(column)
    ends = np.concatenate([[0], np.cumsum(_sizes(words))])
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    sizes: Sizes = np.diff(ends[offsets])
    return sizes


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_chat(kind: pa.DataType) -> bool:
    return message_keys(str(kind)) is not None
