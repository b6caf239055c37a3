"""How long and how wide a region is, from the line that runs through its middle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.ops.region_library import library

Region = NDArray[np.bool_]
Points = NDArray[np.float64]

SPUR = 1.5
"""A side branch that is at most so many times as long as the region's half width where it begins is no branch: it leads
to a corner, or to a bump of the edge."""

SMOOTHED = 9
"""Pixels of a path, at least, that a polynomial of second order is fitted to for each point."""

DIRECTIONS = 24
"""Of the chords; between two of them a strip looks at most 0.2 % wider than it is."""

FINEST, STEPS = 0.5, 512
"""Pixels between two looks along a chord, and how many looks at most."""

AT_ONCE = 1 << 21
"""Looks that are taken together."""


@dataclass(frozen=True)
class CentreLine:
    """What the middle of a region says, in pixels.

    Attributes:
        length: of all branches together, each to the region's edge.
        mean_width: area / length.
        largest_width: the longest of the shortest chords through the points of the line.
        paths: the line's branches, each (K, 2), x and y from the upper left corner of the upper left pixel; a closed
            one ends where it begins. None of a compact region, which has a centre and no line.
    """

    length: float
    mean_width: float
    largest_width: float
    paths: tuple[Points, ...]


def centre_line(region: Region) -> CentreLine:
    """Measure one connected region (H, W).

    The region is thinned to its middle (Lee, Kashyap & Chu 1994), side branches that only lead to a corner are taken
    off, and what is left is split into branches. A path of pixels is longer than the curve it stands for, by up to 8 %
    and depending on its direction, since its steps are 1 or √2; so each branch becomes a smooth curve first, by a local
    polynomial of second order through its pixels (Savitzky & Golay 1964), which keeps the curvature that a running mean
    would take away. At its free ends a curve goes straight on until it leaves the region.

    A region whose middle is shorter than it is deep, such as a disc, has no line: its length is the longer axis of the
    ellipse of the same second moments, which is the diameter of a disc.

    Raises:
        InputError: scikit-image is not installed.
    """
    region = np.pad(region, 1)
    depth = library("scipy.ndimage").distance_transform_edt(region)
    graph = _Graph(library("skimage.morphology").skeletonize(region, method="lee") > 0, depth)
    graph.prune()
    area = float(region.sum())
    solid = region.astype(np.float32)
    curves, length = [], 0.0
    for path, free in graph.paths():
        curve = _smoothed(path, depth)
        curves.append(_to_the_edge(curve, free, solid, depth))
        length += float(np.hypot(*np.diff(curves[-1], axis=0).T).sum())
    deepest = np.unravel_index(depth.argmax(), depth.shape)
    if graph.length() < depth[deepest] and not graph.has_loop():
        length = max(_longer_axis(region), 1.0)
        curves, points = [], np.array([deepest], np.float64)
    else:
        stride = max(1, int(float(np.median(depth[tuple(graph.pixels().T)])) / 4))
        points = np.concatenate([graph.pixels()[::stride], np.array([deepest])]).astype(np.float64)
    widest = float(_shortest_chords(points, solid, depth).max())
    # Rows and columns become x and y; pixel (0, 0) of what was padded has its centre at (−0.5, −0.5).
    return CentreLine(length, area / length, widest, tuple(curve[:, ::-1] - 0.5 for curve in curves))


class _Graph:
    """The pixels of a skeleton, each with those it touches."""

    def __init__(self, skeleton: Region, depth: NDArray[np.float64]) -> None:
        self.depth = depth
        self.around: dict[tuple[int, int], list[tuple[int, int]]] = {}
        rows, columns = (values.tolist() for values in np.nonzero(skeleton))
        there = set(zip(rows, columns, strict=True))
        for row, column in there:
            near = [
                (row + i, column + j) for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0)) if (row + i, column + j) in there
            ]
            # A diagonal step only where there is no way around the corner, or every corner were a junction.
            near += [
                (row + i, column + j)
                for i in (-1, 1)
                for j in (-1, 1)
                if (row + i, column + j) in there and (row, column + j) not in there and (row + i, column) not in there
            ]
            self.around[row, column] = near

    def prune(self) -> None:
        """Take side branches off that are no longer than :data:`SPUR` allows, until none is left."""
        changed = True
        while changed:
            changed = False
            for path, free in list(self.paths()):
                if free in ((True, True), (False, False)) or len(path) < 2:
                    continue
                branch = path if free[0] else path[::-1]
                junction = tuple(branch[-1])
                if len(self.around[junction]) > 2 and _along(branch) <= SPUR * self.depth[junction]:
                    for pixel in map(tuple, branch[:-1]):
                        for other in self.around.pop(pixel):
                            self.around[other].remove(pixel)
                    changed = True

    def paths(self) -> Iterator[tuple[NDArray[np.int64], tuple[bool, bool]]]:
        """Each branch as pixels (K, 2), and whether its first and its last one are free ends; a ring ends where it
        begins."""
        knots = [pixel for pixel, near in self.around.items() if len(near) != 2]
        visited: set[tuple[tuple[int, int], tuple[int, int]]] = set()
        passed = set(knots)
        for knot in knots:
            if not self.around[knot]:
                yield np.array([knot]), (True, True)
            for second in self.around[knot]:
                if (knot, second) in visited:
                    continue
                path = [knot, second]
                while len(self.around[path[-1]]) == 2:
                    passed.add(path[-1])
                    first, last = self.around[path[-1]]
                    path.append(last if first == path[-2] else first)
                    if path[-1] == knot:
                        break
                visited |= {(path[0], path[1]), (path[-1], path[-2])}
                yield np.array(path), (len(self.around[path[0]]) == 1, len(self.around[path[-1]]) == 1)
        for start in self.around:
            if start in passed:
                continue
            ring = [start, self.around[start][0]]
            while ring[-1] != start:
                first, last = self.around[ring[-1]]
                ring.append(last if first == ring[-2] else first)
            passed |= set(ring)
            yield np.array(ring), (False, False)

    def pixels(self) -> NDArray[np.int64]:
        return np.array(list(self.around))

    def length(self) -> float:
        """Of the paths as pixels."""
        return sum(_along(path) for path, _ in self.paths())

    def has_loop(self) -> bool:
        """Whether there are at least as many links as pixels."""
        return sum(map(len, self.around.values())) // 2 >= len(self.around)


def _along(path: NDArray[np.int64]) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())


def _smoothed(path: NDArray[np.int64], depth: NDArray[np.float64]) -> Points:
    """A path of pixels as a curve (K, 2) of rows and columns; wider regions have middles that waver more."""
    wanted = max(SMOOTHED, 2 * int(float(np.median(depth[tuple(path.T)]))) + 1)
    closed = len(path) > 3 and bool((path[0] == path[-1]).all())
    points = path[:-1] if closed else path
    window = min(wanted, len(points) - (1 - len(points) % 2))
    if window < 4:
        return path.astype(np.float64)
    curve = library("scipy.signal").savgol_filter(
        points.astype(np.float64), window, 2, axis=0, mode="wrap" if closed else "interp"
    )
    return np.concatenate([curve, curve[:1]]) if closed else curve


def _to_the_edge(
    curve: Points, free: tuple[bool, bool], solid: NDArray[np.float32], depth: NDArray[np.float64]
) -> Points:
    """The curve, longer at its free ends by what is left of the region in its direction there."""
    if len(curve) < 2:
        return curve
    ends = []
    for is_free, line in zip(free, (curve, curve[::-1]), strict=True):
        if not is_free:
            ends.append(line[:0])
            continue
        radius = float(depth[tuple(np.rint(line[0]).astype(int).clip(0, np.array(depth.shape) - 1))])
        along = line[0] - line[min(len(line) - 1, max(4, int(2 * radius)))]
        norm = float(np.hypot(*along))
        direction = along / norm if norm else np.zeros(2)
        reach = _reach(line[:1], direction[None], solid, np.array([3 * radius + 3]))[0, 0]
        ends.append(line[:1] + min(float(reach), 3 * radius + 3) * direction)
    return np.concatenate([ends[0], curve, ends[1]])


def _shortest_chords(points: Points, solid: NDArray[np.float32], depth: NDArray[np.float64]) -> NDArray[np.float64]:
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
        reach = _reach(points[some], directions, solid, 2.5 * radii[some] + 2)
        chords = (reach[:, :DIRECTIONS] + reach[:, DIRECTIONS:]).min(1)
        found[some] = np.where(np.isfinite(chords), chords, 2 * radii[some])
    return found


def _looks(furthest: float) -> int:
    return min(int(furthest / FINEST), STEPS) + 2


def _reach(
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


def _longer_axis(region: Region) -> float:
    """4 √λ with λ the larger eigenvalue of the covariance of the region's pixels, each of which is a square."""
    places = np.stack(np.nonzero(region)).astype(np.float64)
    covariance = np.cov(places, ddof=0) + np.eye(2) / 12
    return 4 * math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))
