"""JSON objects in an array, or one after the other over any number of lines, in blocks of whole objects."""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from datasets_app.errors import JobError
from datasets_app.ingest.blocks import ROW_SOURCE_BYTES, Block, Span, bytes_to_read
from datasets_app.ingest.layouts import DECODER, SPACE, is_cut_off
from datasets_app.ingest.options import Layout
from datasets_app.ingest.rejects import Fault
from datasets_app.ingest.source import Source, not_utf8, too_long
from datasets_app.ingest.streams import Stream, opened

REPAIR_ADVICE = "Repair the line, or remove it."
WRAPPED_ADVICE = "A file whose rows are inside one object has to be rewritten as a list of objects, or as JSON lines."


class Element(NamedTuple):
    number: int
    line: int
    text: str

    @property
    def place(self) -> str:
        # A list is often written on one line, which alone would say little.
        return f"Object {self.number} (line {self.line})"


@dataclass(frozen=True)
class ElementBlock(Block):
    elements: tuple[Element, ...] = ()

    def spans(self) -> Iterator[Span]:
        end = -1
        for element in self.elements:
            start, end = end + 1, end + 1 + len(element.text.encode())
            yield Span(element.place, start, end, element.line)

    def without(self, faults: list[Fault]) -> "ElementBlock":
        bad = {fault.start for fault in faults}
        good = [element for element, span in zip(self.elements, self.spans(), strict=True) if span.start not in bad]
        data = "\n".join(element.text for element in good).encode()
        return replace(self, data=data, elements=tuple(good))


def read_elements(source: Source, layout: Layout) -> Iterator[ElementBlock]:
    """Raises JobError, with the line, for what is not JSON or not an object, and for invalid UTF-8."""
    with opened(source) as stream:
        window = _Window(stream, source)
        batch: list[Element] = []
        size = 0
        for element in _elements(window, layout):
            batch.append(element)
            size += len(element.text)
            if size >= source.block_bytes:
                yield _block(batch, window)
                batch, size = [], 0
        if batch:
            yield _block(batch, window)


def not_json(where: str, error: json.JSONDecodeError) -> JobError:
    # "Unterminated string starting at" is written to be followed by a position.
    reason = error.msg.removesuffix(" at").removesuffix(" starting")
    return JobError(f"{where} is not valid JSON: {reason[0].lower()}{reason[1:]}.", REPAIR_ADVICE)


def not_an_object(where: str, value: object) -> JobError:
    words = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return JobError(
        f"{where} is {words.get(type(value), 'a number')} where an object is expected.",
        'Write each row as an object with named values, such as {"text": "..."}.',
    )


def too_deep(where: str) -> JobError:
    return JobError(f"{where} is nested too deeply.", REPAIR_ADVICE)


def _block(batch: list[Element], window: "_Window") -> ElementBlock:
    data = "\n".join(element.text for element in batch).encode()
    return ElementBlock(data, batch[0].line, window.bytes_read, elements=tuple(batch))


def _elements(window: "_Window", layout: Layout) -> Iterator[Element]:
    if layout is Layout.SEQUENCE:
        while window.next_character():
            yield window.read_object()
        return
    if layout is Layout.OBJECT:
        window.enter_list()
    else:
        window.expect("[", "the opening bracket of a list")
    if not window.skip("]"):
        yield window.read_object()
        while window.skip(","):
            yield window.read_object()
        window.expect("]", "a comma or the closing bracket of the list")
    if layout is Layout.OBJECT:
        window.leave_object()
    if window.next_character():
        raise window.unexpected("nothing after its end")


class _Window:
    """The part of a file that is being looked at, as text."""

    def __init__(self, stream: Stream, source: Source) -> None:
        self.bytes_read = 0
        self._stream = stream
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._objects = 0
        self._counted = 0  # up to where the line breaks are in self._line

    def next_character(self) -> str:
        """The next character that is no space, which stays unread; none at the end of the file."""
        while True:
            space = SPACE.match(self._text, self._at)
            assert space, "the pattern matches anything"
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def skip(self, character: str) -> bool:
        is_next = self.next_character() == character
        self._at += is_next
        return is_next

    def expect(self, character: str, said: str) -> None:
        if not self.skip(character):
            raise self.unexpected(said)

    def enter_list(self) -> None:
        """Of an object, up to its first value that is a list."""
        self.expect("{", "the opening brace of an object")
        while self._read_name():
            if self.skip("["):
                return
            self._read_value()
            self.skip(",")
        raise JobError(f"{self._source.name} has no list in its object.", "Choose another layout.")

    def leave_object(self) -> None:
        while self.skip(","):
            self._read_name()
            self._read_value()
        self.expect("}", "a comma or the closing brace of the object")

    def read_object(self) -> Element:
        self.next_character()
        line = self._line_at(self._at)
        self._objects += 1
        value, text = self._read_value()
        if not isinstance(value, dict):
            raise not_an_object(self._where(self._at), value)
        # Strings hold no line breaks in JSON: what is left is one line, as in a file of JSON lines.
        return Element(self._objects, line, text.replace("\n", " "))

    def unexpected(self, expected: str) -> JobError:
        found = self.next_character()
        what = f'"{found}"' if found else "the end of the file"
        if not self._objects:
            where = f"Line {self._line_at(self._at)} of {self._source.name}"
            return JobError(f"{where} has {what} instead of {expected}.", "Choose another layout, or repair the file.")
        return JobError(f"{self._where(self._at)} is followed by {what} instead of {expected}.", REPAIR_ADVICE)

    def _read_name(self) -> bool:
        """Of the next value of an object, and its colon; False at the end of the object."""
        if self.next_character() in ("", "}"):
            return False
        self._read_value()
        self.expect(":", "a colon")
        return True

    def _read_value(self) -> tuple[object, str]:
        self.next_character()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if is_cut_off(self._text, error) and self._read_more():
                    continue
                raise not_json(self._where(error.pos), error) from None
            except RecursionError:
                raise too_deep(self._where(self._at)) from None
            if isinstance(value, float) and end == len(self._text) and self._read_more():
                continue  # a number may go on
            text = self._text[self._at : end]
            self._at = end
            return value, text

    def _where(self, position: int) -> str:
        line = self._line_at(position)
        if not self._objects:
            return f"Line {line} of {self._source.name}"
        return f"{Element(self._objects, line, '').place} of {self._source.name}"

    def _line_at(self, position: int) -> int:
        if position >= self._counted:
            self._line += self._text.count("\n", self._counted, position)
            self._counted = position
        return self._line

    def _read_more(self) -> bool:
        """Let go of what was read, and append the next part of the file; False at its end."""
        line = self._line_at(self._at)
        self._text, self._at, self._counted = self._text[self._at :], 0, 0
        if len(self._text) > ROW_SOURCE_BYTES:
            raise too_long(f"The object that starts on line {line} of {self._source.name}", WRAPPED_ADVICE)
        data = self._stream.read(bytes_to_read(len(self._text), self._source))
        self.bytes_read = self._stream.bytes_read(0)
        try:
            self._text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line += self._text.count("\n") + error.object.count(b"\n", 0, error.start)
            raise not_utf8(f"Line {line} of {self._source.name}") from None
        return bool(data)
