"""Figures as a table, for people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def show(rows: Sequence[dict[str, Any]], file: Path | None) -> None:
    """On standard output; and as JSON in the file, if one is named."""
    print("\n".join(lines(rows)))
    if file:
        file.write_text(json.dumps(rows, indent=2))


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line a figure, a column a row."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[name, *(shown(row.get(name)) for row in rows)] for name in names]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [aligned(line, widths) for line in cells]


def aligned(line: list[str], widths: list[int]) -> str:
    name, *figures = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([name.strip().ljust(widths[0]), *figures])


def shown(figure: Any) -> str:
    if isinstance(figure, float):
        return f"{figure:,.1f}"
    return "" if figure is None else f"{figure:,}" if isinstance(figure, int) else str(figure)
