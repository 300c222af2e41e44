"""How many rows have which length, as bars and as the sentence that says what is to be seen in them."""

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 160
GRID_LINES = 4
TICKS = 6
# Steps from one label to the next, so that labels are as round as steps.
EVERY = (1, 2, 5, 10)
# The share of a step that its bar fills; what is left parts it from the next.
FILL = 0.9
# Shorter ones would not be seen, and there are rows in them.
LEAST_HEIGHT = 1.0


@dataclass(frozen=True)
class Bar:
    """`x` and `width` are percentages of the plot, `y` and `height` pixels."""

    x: str
    width: str
    y: str
    height: str
    lengths: str
    rows: int


@dataclass(frozen=True)
class Chart:
    """`grid` are (y, rows) and `ticks` (x, length) of lines and labels, `rest` the label of an open last step."""

    bars: list[Bar]
    grid: list[tuple[str, int]]
    ticks: list[tuple[str, int]]
    said: str
    rest: str = ""
    height: int = HEIGHT


def length_chart(
    steps: Sequence[Sequence[int]], shortest: int | None = None, longest: int | None = None
) -> Chart | None:
    """`steps` are (first length, rows), ascending and of one width but for the last; None where there are no rows."""
    total, most = sum(rows for _, rows in steps), max((rows for _, rows in steps), default=0)
    if not most:
        return None
    top = round_up(most)
    ends = (steps[0][0] if shortest is None else shortest, max(longest or 0, steps[-1][0]))
    is_open = has_rest(steps, ends[1])
    names = names_of(steps, ends[1], is_open)
    wide = 100 / len(steps)
    bars = [
        bar(index * wide, wide * FILL, rows, rows / top, name)
        for index, ((_, rows), name) in enumerate(zip(steps, names, strict=True))
        if rows
    ]
    return Chart(
        bars,
        grid=[(f"{HEIGHT * (1 - line / GRID_LINES):g}", top * line // GRID_LINES) for line in range(GRID_LINES + 1)],
        ticks=ticks_of(steps, is_open),
        said=finding(steps, names, ends, total, is_open),
        rest=names[-1] if is_open else "",
    )


def has_rest(steps: Sequence[Sequence[int]], longest: int) -> bool:
    """Whether the last step is wider than the others: it has whatever is beyond them."""
    return len(steps) > 1 and longest - steps[-1][0] >= steps[1][0] - steps[0][0]


def names_of(steps: Sequence[Sequence[int]], longest: int, is_open: bool) -> list[str]:
    lasts = [first - 1 for first, _ in steps[1:]] + [longest]
    names = [span(first, last) for (first, _), last in zip(steps, lasts, strict=True)]
    return [*names[:-1], f"{steps[-1][0]:,}+"] if is_open else names


def ticks_of(steps: Sequence[Sequence[int]], is_open: bool) -> list[tuple[str, int]]:
    """As many as have room, and not so close to the label of the rest, which ends where the axis does."""
    every = next(every for every in (*EVERY, len(steps)) if len(steps) <= every * TICKS)
    end = max(len(steps) - every, 1) if is_open else len(steps)
    return [(f"{100 * index / len(steps):.3f}%", steps[index][0]) for index in range(0, end, every)]


def bar(x: float, width: float, rows: int, share: float, lengths: str) -> Bar:
    height = max(HEIGHT * share, LEAST_HEIGHT)
    return Bar(f"{x:.3f}%", f"{width:.3f}%", f"{HEIGHT - height:.1f}", f"{height:.1f}", lengths, rows)


def round_up(figure: int) -> int:
    """To what can be parted by the grid and read off it: the first of 4, 8, 12, 20, 40, 80, … that is not below."""
    scale = 1
    while True:
        for step in (4, 8, 12, 20):
            if figure <= step * scale:
                return step * scale
        scale *= 10


def span(first: int, last: int) -> str:
    return f"{first:,}" if first >= last else f"{first:,} to {last:,}"


def finding(
    steps: Sequence[Sequence[int]], names: Sequence[str], ends: tuple[int, int], total: int, is_open: bool
) -> str:
    most, fullest = max((rows, name) for (_, rows), name in zip(steps, names, strict=True))
    lengths = " to ".join(f"{end:,}" for end in dict.fromkeys(ends))
    rest = f"; {steps[-1][1]:,} have {names[-1]}" if is_open else ""
    return f"{total:,} rows of {lengths} tokens; the most, {most:,}, have {fullest}{rest}."
