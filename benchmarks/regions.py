"""How far area, length and width of drawn regions are from what was drawn.

    python benchmarks/regions.py

Lines, rings and discs of known size, in several directions and at several places between pixels. A mask has of each
pixel the share that is covered, by 8 × 9 points; `pixels` counts those at least half covered, `area` is what
`Region.fine_area` is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from explanans.explanations.region import find_regions

SIDE, DOWN, ACROSS = 240, 8, 9
"""Pixels of the picture's side, and points in a pixel: as many in both directions would be rows again at 45°."""
PLACES = ((120.0, 120.0), (119.8, 120.3), (120.5, 119.6))
ANGLES = (0, 11, 22.5, 37, 45, 63, 80, 90)

Drawn = tuple[str, NDArray[np.float32], float, float, float]
"""Its kind, the mask, area, length and largest width."""


def drawn() -> Iterator[Drawn]:
    for place in PLACES:
        yield from _drawn_at(*place)


def _drawn_at(left: float, top: float) -> Iterator[Drawn]:
    y, x = ((np.arange(SIDE * points) + 0.5) / points for points in (DOWN, ACROSS))
    x, y = x[None] - left, y[:, None] - top
    for (length, width), angle in product(((60, 3), (160, 5), (150, 16), (100, 30)), ANGLES):
        turn = math.radians(angle)
        along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        inside = _within(along, length) & _within(across, width)
        yield f"line, {width} wide", _mask(inside), length * width, length, width
    distance = np.hypot(x, y)
    for radius, width in ((12, 4), (30, 3), (60, 9), (100, 20)):
        around = 2 * math.pi * radius
        yield "ring", _mask(abs(distance - radius) <= width / 2), around * width, around, width
    for radius in (8, 20, 55):
        yield "disc", _mask(distance <= radius), math.pi * radius**2, 2 * radius, 2 * radius


def _within(distance: NDArray[np.float64], breadth: float) -> NDArray[np.bool_]:
    """A point that lies on a side belongs to it once, not twice."""
    return (distance > -breadth / 2) & (distance <= breadth / 2)


def _mask(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    return inside.reshape(SIDE, DOWN, SIDE, ACROSS).mean((1, 3), dtype=np.float32)


def main() -> None:
    errors: dict[str, list[tuple[float, ...]]] = {}
    for kind, mask, area, length, width in drawn():
        (found,) = find_regions(mask, "drawn", 0, 1.0)
        off = (found.area / area - 1, found.fine_area / area - 1, found.length / length - 1)
        errors.setdefault(kind, []).append((*off, found.largest_width - width))
    print("kind          number   pixels: mean, worst   area: mean, worst   length: mean, worst   largest width")
    for kind, found in errors.items():
        shares = [f"{abs(values).mean():10.2%} {abs(values).max():8.2%}" for values in np.array(found).T[:3]]
        widths = abs(np.array(found)[:, 3])
        print(f"{kind:12}  {len(found):6d} {' '.join(shares)} {widths.mean():16.2f} {widths.max():5.2f} px")


if __name__ == "__main__":
    main()
