"""Outlines of the objects in generated scenes, as signed distances: negative inside, positive outside.

Every function takes coordinates x (right) and y (down) on which the shape fits about the unit circle, and returns the
distance to its outline in the same unit. Formulas after I. Quilez, "2D distance functions"
(https://iquilezles.org/articles/distfunctions2d/).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
Shape = Callable[[Grid, Grid], Grid]


def ring(x: Grid, y: Grid) -> Grid:
    return np.abs(np.hypot(x, y) - np.float32(0.67)) - np.float32(0.3)


def star(x: Grid, y: Grid) -> Grid:
    """Five points, a little blunt."""
    sector, slope, radius, blunt = np.pi / 5, np.pi / 3.3, 0.95, 0.05
    length = np.hypot(x, y)
    angle = np.arctan2(x, -y) % np.float32(2 * sector) - np.float32(sector)
    px = length * np.cos(angle) - np.float32(radius * np.cos(sector))
    py = length * np.abs(np.sin(angle)) - np.float32(radius * np.sin(sector))
    ex, ey = np.float32(np.cos(slope)), np.float32(np.sin(slope))
    along = np.clip(-(px * ex + py * ey), 0, np.float32(radius * np.sin(sector) / np.sin(slope)))
    px, py = px + ex * along, py + ey * along
    return np.hypot(px, py) * np.sign(px) - np.float32(blunt)


def moon(x: Grid, y: Grid) -> Grid:
    """A disc with a bite taken out; the distance is a lower bound around its two horns."""
    whole = np.hypot(x - np.float32(0.14), y) - np.float32(0.95)
    bite = np.hypot(x - np.float32(0.69), y) - np.float32(0.68)
    return np.maximum(whole, -bite)


def box(x: Grid, y: Grid) -> Grid:
    """A square with round corners."""
    half, corner = 0.74, 0.16
    px, py = np.abs(x) - np.float32(half - corner), np.abs(y) - np.float32(half - corner)
    outside = np.hypot(np.maximum(px, 0), np.maximum(py, 0))
    return outside + np.minimum(np.maximum(px, py), 0) - np.float32(corner)


def triangle(x: Grid, y: Grid) -> Grid:
    """Equilateral with round corners."""
    side, corner, root3 = 0.68, 0.14, np.float32(np.sqrt(3))
    px, py = np.abs(x) - np.float32(side), -y + np.float32(side / np.sqrt(3) - 0.15)
    beyond = px + root3 * py > 0
    px, py = np.where(beyond, (px - root3 * py) / 2, px), np.where(beyond, (-root3 * px - py) / 2, py)
    px = px - np.clip(px, np.float32(-2 * side), 0)
    return -np.hypot(px, py) * np.sign(py) - np.float32(corner)


def leaf(x: Grid, y: Grid) -> Grid:
    """Two arcs that meet in two tips."""
    radius, offset = np.float32(1.1), np.float32(0.58)
    px, py = np.abs(x), np.abs(y)
    tip = np.float32(np.sqrt(1.1**2 - 0.58**2))
    near_tip = (py - tip) * offset > px * tip
    return np.where(near_tip, np.hypot(px, py - tip), np.hypot(px + offset, py) - radius) - np.float32(0.04)


def pill(x: Grid, y: Grid) -> Grid:
    return np.hypot(x - np.clip(x, np.float32(-0.58), np.float32(0.58)), y) - np.float32(0.37)


SHAPES: dict[str, Shape] = {
    "star": star,
    "ring": ring,
    "moon": moon,
    "box": box,
    "triangle": triangle,
    "leaf": leaf,
    "pill": pill,
}


@cache
def unit_area(name: str) -> float:
    """Area of a shape at unit scale, counted on a grid of 1/200."""
    step = 0.005
    y, x = np.mgrid[-1.2:1.2:step, -1.2:1.2:step].astype(np.float32) + np.float32(step / 2)
    return float((SHAPES[name](x, y) < 0).sum() * step**2)
