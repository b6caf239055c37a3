"""How far it is through a region: from a pixel to the nearest one outside, and along the shortest chord."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from explanans.ops.region_library import library

Region = NDArray[np.bool_]
Points = NDArray[np.float64]

DIRECTIONS = 24
"""Of the chords; between two of them a strip looks at most 0.2 % wider than it is."""

FINEST, STEPS = 0.5, 512
"""Pixels between two looks along a chord, and how many looks at most."""

AT_ONCE = 1 << 18
"""Looks, or pixels, that are taken together."""


def depth_of(region: Region) -> NDArray[np.float64]:
    """How far each pixel is from the nearest one outside; SciPy's, some rows at a time, since it needs forty bytes for
    a pixel. With enough rows around them nothing changes."""
    height, width = region.shape
    depth, step, margin = np.empty((height, width)), max(64, 4 * AT_ONCE // width), 32
    for top in range(0, height, step):
        while True:
            first, last = max(0, top - margin), min(height, top + step + margin)
            found = library("scipy.ndimage").distance_transform_edt(region[first:last])[top - first :][:step]
            if found.max() <= margin or (first == 0 and last == height):
                break
            margin *= 2
        depth[top : top + step] = found
    return depth


def shortest_chords(points: Points, solid: NDArray[np.float32], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest chord of the region through each point (P,), between pixels by linear interpolation."""
    turns = np.arange(DIRECTIONS) * math.pi / DIRECTIONS
    directions = np.stack([np.sin(turns), np.cos(turns)], 1)
    directions = np.concatenate([directions, -directions])
    radii = depth[tuple(points.astype(int).T)]
    # Points of like depth together, since the deepest of them says how far is looked.
    order = np.argsort(radii)
    found = np.empty(len(points))
    while len(order):
        deepest = radii[order[-1]]
        count = max(1, AT_ONCE // (len(directions) * _looks(2.5 * float(deepest) + 2)))
        some, order = order[-count:], order[:-count]
        reach = reach_of(points[some], directions, solid, 2.5 * radii[some] + 2)
        chords = (reach[:, :DIRECTIONS] + reach[:, DIRECTIONS:]).min(1)
        found[some] = np.where(np.isfinite(chords), chords, 2 * radii[some])
    return found


def _looks(furthest: float) -> int:
    return min(int(furthest / FINEST), STEPS) + 2


def reach_of(
    points: Points, directions: Points, solid: NDArray[np.float32], furthest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far it is from points (P, 2) to the region's edge in each direction (D, 2): (P, D), infinite if further than
    ``furthest`` (P,)."""
    steps = _looks(float(furthest.max()))
    apart = furthest / (steps - 1)
    far = np.arange(steps)[None] * apart[:, None]
    places = points[:, None, None] + far[:, None, :, None] * directions[None, :, None]
    values = library("scipy.ndimage").map_coordinates(solid, places.reshape(-1, 2).T, order=1)
    values = values.reshape(len(points), len(directions), steps)
    outside = values < 0.5
    first = outside.argmax(2)
    before = np.take_along_axis(values, np.maximum(first - 1, 0)[..., None], 2)[..., 0]
    after = np.take_along_axis(values, first[..., None], 2)[..., 0]
    share = np.where(first > 0, (before - 0.5) / np.maximum(before - after, 1e-6), 0)
    reach = (np.maximum(first - 1, 0) + share) * apart[:, None]
    return np.where(outside.any(2), reach, np.inf)
