"""Bars of a chart, as numbers that a template draws as SVG. Pure.

Attributes of SVG instead of styles keep the strict policy of the pages, and the page's own colours apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 80
_GAP = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its label, and its rectangle in the chart's own units."""

    label: str
    value: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A named row of bars. `summary` says in words what the picture shows."""

    id: str
    title: str
    column: str
    summary: str
    bars: Sequence[Bar]


def draw_bars(
    name: str, title: str, column: str, values: Sequence[tuple[str, float]], unit: str, at: str = "on "
) -> Chart:
    """The chart of labelled values; the highest fills the height.

    `column` heads the labels in its table, `at` stands before a label in a sentence, `unit` is a plural.
    """
    most = max((value for _, value in values), default=0) or 1
    step = WIDTH / max(1, len(values))
    bars = []
    for number, (label, value) in enumerate(values):
        height = round(max(2.0, HEIGHT * value / most), 1) if value else 0.0
        x, width = round(number * step, 1), round(step - _GAP, 1)
        bars.append(Bar(label, value, x, round(HEIGHT - height, 1), width, height))
    peak = max(values, key=lambda pair: pair[1], default=("", 0))
    total = sum(value for _, value in values)
    counted = unit.removesuffix("s") if total == 1 else unit
    summary = f"{total:,.10g} {counted} in all; most {at}{peak[0]}: {peak[1]:,.10g}." if total else f"No {unit}."
    return Chart(name, title, column, summary, bars)
