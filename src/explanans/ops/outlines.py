"""Binary regions as polygons, and back, without a pixel lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import cast

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

Ring = NDArray[np.float64]


def outlines(region: NDArray[np.bool_]) -> list[list[Ring]]:
    """Polygons of a binary region (H, W), each an outer ring and then its holes.

    Rings are closed, (K, 2) with x and y in pixels from the upper left corner of the picture: the centre of the upper
    left pixel is (0.5, 0.5). They run half-way between the centres of pixels inside and outside, so that a pixel is
    inside the polygon exactly where it is inside the region. Points on a straight line are left out.
    """
    padded = np.pad(region.astype(np.float32), 1)
    # Below one half, so that pixels that touch at a corner are in one polygon.
    generator = contour_generator(z=padded, fill_type=FillType.OuterOffset)
    points, offsets = cast(tuple[list[Ring], list[NDArray[np.uint32]]], generator.filled(0.5 - 1e-6, 2.0))
    found = []
    for some, places in zip(points, offsets, strict=True):
        rings = [some[start:end] for start, end in itertools.pairwise(places.tolist())]
        # Multiples of one half, but for what the level is lower.
        found.append([_without_straight(np.round(2 * (np.asarray(ring, np.float64) - 0.5)) / 2) for ring in rings])
    return found


def filled(polygons: Iterable[Iterable[Ring]], height: int, width: int) -> NDArray[np.bool_]:
    """The region (H, W) of polygons: pixels around whose centre an odd number of rings goes.

    The inverse of :func:`outlines`, for any rings: closed, (K, 2), x and y in pixels.
    """
    toggles = np.zeros((height, width + 1), np.int32)
    for ring in (np.asarray(ring, np.float64) for rings in polygons for ring in rings):
        start, end = ring[:-1], ring[1:]
        # The first row whose centre is not above an edge's upper end, and the first that is not above its lower end.
        upper, lower = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
        first, last = (np.ceil(side - 0.5).clip(0, height).astype(int) for side in (upper, lower))
        count = last - first
        edge = np.repeat(np.arange(len(count)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        (x0, y0), (x1, y1) = start[edge].T, end[edge].T
        crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        np.add.at(toggles, (row, np.floor(crossing + 0.5).clip(0, width).astype(int)), 1)
    return (np.cumsum(toggles, axis=1)[:, :width] % 2).astype(bool)


def signed_area(ring: Ring) -> float:
    """Half the sum of the cross products; above 0 where the ring runs clockwise on the screen, on which y goes down."""
    x, y = ring.T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _without_straight(ring: Ring) -> Ring:
    points = ring[:-1]
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    bends = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    kept = points[bends]
    return np.concatenate([kept, kept[:1]])
