"""A figure over a run, as the points of a small curve and the sentence that says what is to be seen in it."""

from collections.abc import Sequence
from dataclasses import dataclass

# Whole numbers keep the curve under a kilobyte. There is room above the peak for the width of the line.
WIDTH, HEIGHT, ROOM = 59, 28, 2
UNITS = [(10**9, " billion"), (10**6, " million"), (10**3, " thousand"), (1, "")]


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` as SVG takes them; empty while there is nothing to draw."""

    points: str
    said: str
    width: int = WIDTH
    height: int = HEIGHT


def draw(name: str, figures: Sequence[tuple[float, float]], now: float | None) -> Curve:
    """`figures` are (second, figure) in order; `now` is the newest, None when there is none at this moment."""
    dots = points(figures)
    if not dots:
        return Curve("", "")
    text = " ".join(f"{x},{y}" for x, y in dots)
    return Curve(text, f"{name} over the run: {finding([figure for _, figure in figures], now)}")


def points(figures: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """At most WIDTH + 1 of them, from the left edge to the right, zero at the bottom; none of a single figure."""
    if len(figures) < 2:
        return []
    first, last = figures[0][0], figures[-1][0]
    columns: dict[int, list[float]] = {}
    for second, figure in figures:
        columns.setdefault(int((second - first) * WIDTH / (last - first)), []).append(figure)
    means = {x: sum(column) / len(column) for x, column in columns.items()}
    peak = max(means.values()) or 1.0
    return [(x, HEIGHT - round((HEIGHT - ROOM) * mean / peak)) for x, mean in means.items()]


def finding(figures: Sequence[float], now: float | None) -> str:
    low, high = min(figures), max(figures)
    size, unit = next(((size, unit) for size, unit in UNITS if high >= size), UNITS[-1])
    between = " to ".join(dict.fromkeys(three_digits(figure / size) for figure in (low, high)))
    return f"{between}{unit}" + (f", now {three_digits(now / size)}{unit}" if now is not None else "")


def three_digits(figure: float) -> str:
    places = 2 if figure < 10 else 1 if figure < 100 else 0
    return f"{figure:,.{places}f}"
