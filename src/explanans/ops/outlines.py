"""Binary regions as polygons, and back, without a pixel lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]


CHUNK = 1 << 22
"""Pixels that are looked at together."""

T, R, B, L = range(4)
"""The middles of the sides of a square of four pixels' centres: top, right, bottom, left."""

AROUND = {
    **{0b0001: [(B, R)], 0b0010: [(L, B)], 0b0100: [(R, T)], 0b1000: [(T, L)]},
    **{0b1100: [(R, L)], 0b0011: [(L, R)], 0b1010: [(T, B)], 0b0101: [(B, T)]},
    **{0b0111: [(L, T)], 0b1011: [(T, R)], 0b1101: [(B, L)], 0b1110: [(R, B)]},
    **{0b1001: [(T, R), (B, L)], 0b0110: [(L, T), (R, B)]},
}
"""How outlines run through a square, with what is inside to their right; by which of the upper left, upper right, lower
left and lower right pixels are inside, in this order. Two that touch at the corner alone are joined."""


def outlines(region: NDArray[np.bool_]) -> list[list[Ring]]:
    """Polygons of a binary region (H, W), each an outer ring and then its holes.

    Rings are closed, (K, 2) with x and y in pixels from the upper left corner of the picture: the centre of the upper
    left pixel is (0.5, 0.5). They run half-way between the centres of pixels inside and outside, so that a pixel is
    inside the polygon exactly where it is inside the region. Pixels that touch at a corner are in one polygon. Points
    on a straight line are left out. Memory grows with the outlines' length, not with the picture.
    """
    rings = [_without_straight(ring) for ring in _rings(*_segments(region))]
    areas = [signed_area(ring) for ring in rings]
    polygons = [[ring] for ring, area in zip(rings, areas, strict=True) if area > 0]
    holes = [ring for ring, area in zip(rings, areas, strict=True) if area < 0]
    if len(polygons) == 1:
        return [[*polygons[0], *holes]]
    # The smallest that has a hole's point inside; others around it have both in a hole of theirs.
    polygons.sort(key=lambda polygon: signed_area(polygon[0]))
    bounds = np.array([[*polygon[0].min(0), *polygon[0].max(0)] for polygon in polygons]).reshape(-1, 4)
    for hole in holes:
        point = hole[0]
        possible = np.flatnonzero(((bounds[:, :2] < point) & (point < bounds[:, 2:])).all(1))
        polygons[next(place for place in possible.tolist() if _holds(polygons[place][0], point))].append(hole)
    return polygons


def _segments(region: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each piece of the outlines begins and ends (S, 2): x and y, doubled."""
    height, width = region.shape
    rows = max(1, CHUNK // (width + 1))
    starts, ends = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    for top in range(0, height + 1, rows):
        # Squares of which the lower pixels are in rows top …, with a border of what is outside.
        upper, lower = max(0, top - 1), min(height, top + rows)
        pixels = np.zeros((min(rows, height + 1 - top) + 1, width + 2), np.uint8)
        pixels[upper - top + 1 : lower - top + 1, 1:-1] = region[upper:lower]
        kinds = pixels[:-1, :-1] << 3 | pixels[:-1, 1:] << 2 | pixels[1:, :-1] << 1 | pixels[1:, 1:]
        places = np.flatnonzero((kinds != 0b0000) & (kinds != 0b1111))
        some = kinds.ravel()[places]
        down, along = np.divmod(places, width + 1)
        corners = np.stack([2 * along, 2 * (down + top)], 1)
        for kind, paths in AROUND.items():
            chosen = corners[some == kind]
            for start, end in paths:
                starts.append(chosen + SIDES[start])
                ends.append(chosen + SIDES[end])
    return np.concatenate(starts), np.concatenate(ends)


SIDES = np.array([[0, -1], [1, 0], [0, 1], [-1, 0]])


def _rings(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[Ring]:
    """Closed rings (K, 2): every point is the start of one piece and the end of another."""
    if not len(starts):
        return
    stride = int(starts[:, 0].max()) + 2
    keys = starts @ np.array([1, stride])
    order = np.argsort(keys)
    after = np.searchsorted(keys[order], ends[order] @ np.array([1, stride])).tolist()
    points = starts[order] / 2
    left = bytearray(b"\1") * len(after)
    first = 0
    while (first := left.find(1, first)) >= 0:
        ring, place = [first], after[first]
        left[first] = 0
        while place != first:
            left[place] = 0
            ring.append(place)
            place = after[place]
        yield points[[*ring, first]]


def _holds(ring: Ring, point: Ring) -> bool:
    """Whether a ray from the point to the right crosses the ring an odd number of times."""
    (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
    crosses = (y0 > point[1]) != (y1 > point[1])
    x0, y0, x1, y1 = (each[crosses] for each in (x0, y0, x1, y1))
    return bool((x0 + (point[1] - y0) * (x1 - x0) / (y1 - y0) > point[0]).sum() % 2)


def filled(polygons: Iterable[Iterable[Ring]], height: int, width: int) -> NDArray[np.bool_]:
    """The region (H, W) of polygons: pixels around whose centre an odd number of rings goes.

    The inverse of :func:`outlines`, for any rings: closed, (K, 2), x and y in pixels.
    """
    toggles = np.zeros((height, width + 1), np.uint8)
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
        np.bitwise_xor.at(toggles, (row, np.floor(crossing + 0.5).clip(0, width).astype(int)), 1)
    np.bitwise_xor.accumulate(toggles, axis=1, out=toggles)
    return toggles[:, :width].astype(bool)


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
