"""How the objects of a JSON file follow each other, by its beginning."""

import json
import re
from typing import Any

from datasets_app.ingest.kinds import Kind
from datasets_app.ingest.options import Layout
from datasets_app.ingest.source import Source
from datasets_app.ingest.streams import head

# Numbers as floats: Python refuses to convert whole ones of over 4,300 digits. They are only looked at, never stored.
DECODER = json.JSONDecoder(parse_int=float)
SPACE = re.compile(r"[ \t\r\n]*+")
UNTERMINATED_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+\\?\Z', re.DOTALL)
# A literal or an escape that the end of the text cuts in two is reported where it starts.
LONGEST_LITERAL = len("-Infinity")
# One object with a list of these in it is a chat, which is a row.
OF_MESSAGES = {"role", "from"}


def layout_of(source: Source) -> Layout:
    start = head(source).decode(errors="replace").lstrip()
    if start.startswith("["):
        return Layout.ARRAY
    if not start.startswith("{"):
        return Layout.LINES  # wrong as it may be, its lines can be named
    if source.kind is Kind.JSON and _is_one_object_with_a_list(start):
        return Layout.OBJECT
    first_line, line_end, _ = start.partition("\n")
    if not line_end and source.kind is Kind.JSONL:
        return Layout.LINES  # a long one
    return Layout.LINES if _is_an_object(first_line) else Layout.SEQUENCE


def is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether more text might repair it."""
    return error.pos >= len(text) - LONGEST_LITERAL or UNTERMINATED_STRING.match(text, error.pos) is not None


def _is_an_object(line: str) -> bool:
    """Or so damaged that it cannot be the first of several lines of one."""
    try:
        return isinstance(DECODER.decode(line), dict)
    except json.JSONDecodeError as error:
        return not is_cut_off(line, error)
    except RecursionError:
        return False


def _is_one_object_with_a_list(text: str) -> bool:
    """The first list of objects among its values decides, and nothing may follow the object as far as can be seen."""
    try:
        value, end = DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        return is_cut_off(text, error) and _begins_with_a_list(text)
    except RecursionError:
        return False
    lists = [content for content in value.values() if _is_list_of_rows(content)]
    return len(lists) == 1 and not text[end:].strip()


def _begins_with_a_list(text: str) -> bool:
    """Whether the value that is cut off, of an object that is, is a list of objects."""
    at = _after(text, 1)
    try:
        while True:
            _, at = DECODER.raw_decode(text, at)
            at = _after(text, at)
            if text[at : at + 1] != ":":
                return False
            at = _after(text, at + 1)
            start = _after(text, at + 1)
            if text[at : at + 1] == "[" and text[start : start + 1] == "{":
                first, _ = DECODER.raw_decode(text, start)
                return not OF_MESSAGES & set(first)
            _, at = DECODER.raw_decode(text, at)
            at = _after(text, _after(text, at) + 1)
    except (json.JSONDecodeError, RecursionError):
        return False


def _is_list_of_rows(value: Any) -> bool:
    is_list = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    return is_list and not OF_MESSAGES & set(value[0])


def _after(text: str, at: int) -> int:
    """Where the next character is that is no space."""
    space = SPACE.match(text, at)
    assert space, "the pattern matches anything"
    return space.end()
