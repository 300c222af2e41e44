"""How files are to be read, as the commands that import some are told."""

import argparse
from typing import Any

from datasets_app.ingest.options import Delimiter, Encoding, Layout, TextRows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text-column", default="", help="the column to tokenize; by default the one with most text")
    parser.add_argument(
        "--text-rows", choices=list(TextRows), default=TextRows.LINES, help="what a row of a .txt file is"
    )
    parser.add_argument("--delimiter", choices=list(Delimiter), help="by default the one that is detected")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row of a .csv or .tsv file names the columns; by default it is detected",
    )
    parser.add_argument("--encoding", choices=list(Encoding), help="by default the one that is detected")
    parser.add_argument(
        "--layout", choices=list(Layout), help="how the objects of a JSON file follow each other; detected"
    )
    parser.add_argument(
        "--bad-rows", type=int, default=0, metavar="N", help="set aside up to so many bad rows; by default none"
    )


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """As an import keeps them: what is left open is not among them."""
    header = {True: "yes", False: "no"}.get(options["header"])
    named = {name: options[name] for name in ("delimiter", "encoding", "layout", "bad_rows")}
    return {"text": options["text_rows"]} | {
        name: value for name, value in (named | {"header": header}).items() if value
    }
