"""How a file is to be read, where its reader says so; what is left open is detected."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

UNPACKED_LIMIT_BYTES = 200 * 10**9
HEADER_WORDS = {"yes": True, "no": False}


class TextRows(StrEnum):
    """What a row of a text file is."""

    LINES = "lines"
    FILE = "file"


class Delimiter(StrEnum):
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    BAR = "bar"

    @property
    def character(self) -> str:
        return {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}[self.value]


class Encoding(StrEnum):
    """By the names of Python's codecs."""

    UTF_8 = "utf-8"
    UTF_8_BOM = "utf-8-sig"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    WINDOWS_1252 = "windows-1252"
    LATIN_1 = "latin-1"

    @property
    def words(self) -> str:
        return {
            "utf-8": "UTF-8",
            "utf-8-sig": "UTF-8 with BOM",
            "utf-16-le": "UTF-16 LE",
            "utf-16-be": "UTF-16 BE",
            "windows-1252": "Windows-1252",
            "latin-1": "Latin-1",
        }[self.value]


class Layout(StrEnum):
    """How the objects of a JSON file follow each other."""

    LINES = "lines"
    SEQUENCE = "sequence"
    ARRAY = "array"
    OBJECT = "object"

    @property
    def words(self) -> str:
        return {
            "lines": "an object per line",
            "sequence": "objects over several lines",
            "array": "one array",
            "object": "one object with a list",
        }[self.value]


@dataclass(frozen=True)
class ReadingOptions:
    """None: to be detected. `bad_rows` is how many rows may be set aside before a file is refused."""

    text_rows: TextRows = TextRows.LINES
    delimiter: Delimiter | None = None
    header: bool | None = None
    encoding: Encoding | None = None
    layout: Layout | None = None
    bad_rows: int = 0
    unpacked_limit_bytes: int = UNPACKED_LIMIT_BYTES
    # How many rows are wanted of a file; None is all of them.
    rows: int | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Self:
        """From the options of an import; what is empty or missing there is left open."""
        return cls(
            TextRows(options.get("text") or TextRows.LINES),
            Delimiter(options["delimiter"]) if options.get("delimiter") else None,
            HEADER_WORDS.get(options.get("header") or ""),
            Encoding(options["encoding"]) if options.get("encoding") else None,
            Layout(options["layout"]) if options.get("layout") else None,
            int(options.get("bad_rows") or 0),
            int(options.get("unpacked_limit_bytes") or UNPACKED_LIMIT_BYTES),
            options.get("rows") or None,
        )
