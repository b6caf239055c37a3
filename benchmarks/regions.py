"""How far area, length and width of drawn regions are from what was drawn.

    python benchmarks/regions.py

Lines, rings and discs of known size, in several directions and at several places between pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from explanans.ops.centre_line import centre_line

SIDE = 240
PLACES = ((120.0, 120.0), (119.8, 120.3), (120.5, 119.6))
ANGLES = (0, 11, 22.5, 37, 45, 63, 80, 90)

Drawn = tuple[str, NDArray[np.bool_], float, float, float]
"""Its kind, the region, area, length and largest width."""


def drawn() -> Iterator[Drawn]:
    for place in PLACES:
        yield from _drawn_at(*place)


def _drawn_at(left: float, top: float) -> Iterator[Drawn]:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = x - left, y - top
    for (length, width), angle in product(((60, 3), (160, 5), (150, 16), (100, 30)), ANGLES):
        turn = math.radians(angle)
        along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        inside = _within(along, length) & _within(across, width)
        yield f"line, {width} wide", inside, length * width, length, width
    distance = np.hypot(x, y)
    for radius, width in ((12, 4), (30, 3), (60, 9), (100, 20)):
        around = 2 * math.pi * radius
        yield "ring", abs(distance - radius) <= width / 2, around * width, around, width
    for radius in (8, 20, 55):
        yield "disc", distance <= radius, math.pi * radius**2, 2 * radius, 2 * radius


def _within(distance: NDArray[np.float64], breadth: float) -> NDArray[np.bool_]:
    """A pixel whose centre lies on a side belongs to it once, not twice."""
    return (distance > -breadth / 2) & (distance <= breadth / 2)


def main() -> None:
    errors: dict[str, list[tuple[float, float, float]]] = {}
    for kind, region, area, length, width in drawn():
        found = centre_line(region)
        off = (region.sum() / area - 1, found.length / length - 1, found.largest_width - width)
        errors.setdefault(kind, []).append(off)
    print("kind          number   area: mean, worst   length: mean, worst   largest width: mean, worst")
    for kind, found in errors.items():
        areas, lengths, widths = (np.abs(values) for values in zip(*found, strict=True))
        print(
            f"{kind:12}  {len(found):6d}   {areas.mean():8.2%} {areas.max():8.2%}   {lengths.mean():10.2%} "
            f"{lengths.max():8.2%}   {widths.mean():16.2f} {widths.max():5.2f} px"
        )


if __name__ == "__main__":
    main()
