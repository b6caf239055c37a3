"""The tables of a series' page: growth from the first photo to the last, and step by step, as people write numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from explanans.pipelines.series import Series

DAYS = 30
"""Growth of dated photos is said for so many days; what a day brings is too small to read."""

Table = tuple[list[str], list[list[str]]]


def summary(series: Series, names: Mapping[str, str]) -> Table:
    """Header and a row for each measure that ``names`` has: word, first and last photo, growth, range, rate."""
    first, last = series.photos[0], series.photos[-1]
    rows = []
    for step in series.whole():
        unit = f" {step['unit']}" if step["unit"] else ""
        word, before, after, *others = _cells(series, step)
        rows.append([names[step["measure"]], word, f"{before}{unit}", f"{after}{unit}", *others])
    return ["measure", "it", first.said, last.said, "growth", "range", _rate(series)], rows


def steps_of(series: Series, measure: str) -> Table:
    """Header and a row for each step of one measure, whose unit is said elsewhere."""
    rows = [
        [f"{step['from']} to {step['to']}", *_cells(series, step)]
        for step in series.steps()
        if step["measure"] == measure
    ]
    return ["step", "it", "before", "after", "growth", "range", _rate(series)], rows


def _cells(series: Series, step: Mapping[str, Any]) -> list[str]:
    """Word, before, after, growth with its share of before, range, rate."""
    places = decimals(series, step["measure"])
    before, after = (written(step[name], places) for name in ("before", "after"))
    growth, low, high = (written(step[name], places, sign=True) for name in ("growth", "low", "high"))
    share = f" ({written(100 * step['growth'] / step['before'], 0, sign=True)} %)" if step["before"] > 0 else ""
    rate = step["per_time"] * (DAYS if step["per"] == "day" else 1)
    span = "" if step["says"] == "absent" else f"{low} to {high}"
    return [step["says"], before, after, f"{growth}{share}", span, written(rate, places + 1, sign=True)]


def _rate(series: Series) -> str:
    return f"per {DAYS} days" if series.whole()[0]["per"] == "day" else "per unit of time"


def decimals(series: Series, measure: str) -> int:
    """Of a measure: of lengths a place finer than a pixel, of areas a pixel, of numbers none."""
    scale = series.scale(measure)[0]
    if measure == "number":
        return 0
    place = math.floor(-math.log10(scale) + 1e-9)
    return min(max(place if measure == "area" else place + 1, 0), 6)


def written(value: float, places: int, sign: bool = False) -> str:
    """With so many decimals, groups of three digits, a real minus, and no sign at 0.

    >>> written(-1234.56, 1), written(0.04, 1, sign=True), written(3, 0, sign=True)
    ('−1,234.6', '0.0', '+3')
    """
    rounded = round(value, places) or 0.0
    plus = "+" if sign and rounded else ""
    return f"{rounded:{plus},.{places}f}".replace("-", "−")
