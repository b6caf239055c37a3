"""How long and how wide a region is, from the line that runs through its middle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.ops.chords import Points, Region, depth_of, reach_of, shortest_chords
from explanans.ops.region_library import library
from explanans.ops.skeleton import Graph

SMOOTHED = 9
"""Pixels of a path, at least, that a polynomial of second order is fitted to for each point."""

CANDIDATES, WIDE = 16, 48
"""Places where a region may be widest that are looked at closely, unless it is so many pixels wide made smaller."""

LARGEST = 1 << 22
"""Pixels of the box of a region that is measured at its own resolution."""


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

    The line of a region whose box has more than :data:`LARGEST` pixels is that of the region made so many times smaller
    that it fits, a pixel of which is inside where any of its pixels was; its largest width is then looked for at its
    own resolution, where the smaller region is widest. Area is always that of all pixels.

    Raises:
        InputError: scikit-image is not installed.
    """
    factor = math.ceil(math.sqrt(region.size / LARGEST))
    if factor > 1:
        smaller = _measured(_smaller(region, factor))
        length = smaller.length * factor
        paths = tuple(path * factor for path in smaller.paths)
        return CentreLine(length, _area(region) / length, _widest(region, smaller, factor), paths)
    line = _measured(region)
    return CentreLine(line.length, _area(region) / line.length, float(line.chords.max()), line.paths)


@dataclass(frozen=True)
class _Line:
    """Length and paths as of :class:`CentreLine`; points (P, 2) of row and column, whole numbers at the centres of
    pixels, and the shortest chord through each."""

    length: float
    paths: tuple[Points, ...]
    points: Points
    chords: NDArray[np.float64]


def _measured(region: Region) -> _Line:
    region = np.pad(region, 1)
    depth = depth_of(region)
    graph = Graph(library("skimage.morphology").skeletonize(region, method="lee") > 0, depth)
    graph.prune()
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
    # Rows and columns become x and y; pixel (0, 0) of what was padded has its centre at (−0.5, −0.5).
    paths = tuple(curve[:, ::-1] - 0.5 for curve in curves)
    return _Line(length, paths, points - 1, shortest_chords(points, solid, depth))


def _area(region: Region) -> float:
    return float(np.count_nonzero(region))


def _smaller(region: Region, factor: int) -> Region:
    height, width = region.shape
    found = np.zeros((-(-height // factor), -(-width // factor)), bool)
    across = np.arange(0, width, factor)
    for row in range(len(found)):
        found[row] = np.logical_or.reduceat(region[row * factor : (row + 1) * factor].any(0), across)
    return found


def _widest(region: Region, smaller: _Line, factor: int) -> float:
    """The longest of the shortest chords at the region's own resolution, where those of the smaller one are longest."""
    # A smaller region is up to a pixel wider on each side.
    order = np.argsort(-smaller.chords)[:CANDIDATES]
    order = order[smaller.chords[order] >= smaller.chords[order[0]] - 3]
    found = []
    for point, chord in zip(smaller.points[order], smaller.chords[order], strict=True):
        reach = math.ceil(1.5 * factor * (chord + 4))
        if chord > WIDE:
            # So wide that what it is too wide by does not count.
            found.append(factor * (chord - 1))
            continue
        row, column = ((point + 0.5) * factor).astype(int)
        rows, columns = slice(max(0, row - reach), row + reach), slice(max(0, column - reach), column + reach)
        part = np.pad(region[rows, columns], 1)
        depth = depth_of(part)
        near = np.zeros_like(depth)
        row, column = row - rows.start + 1, column - columns.start + 1
        around = slice(max(0, row - factor), row + factor + 1), slice(max(0, column - factor), column + factor + 1)
        near[around] = depth[around]
        deepest = np.array([np.unravel_index(near.argmax(), near.shape)], np.float64)
        found.append(float(shortest_chords(deepest, part.astype(np.float32), depth)[0]))
    return max(found)


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
        reach = reach_of(line[:1], direction[None], solid, np.array([3 * radius + 3]))[0, 0]
        ends.append(line[:1] + min(float(reach), 3 * radius + 3) * direction)
    return np.concatenate([ends[0], curve, ends[1]])


def _longer_axis(region: Region) -> float:
    """4 √λ with λ the larger eigenvalue of the covariance of the region's pixels, each of which is a square."""
    places = np.stack(np.nonzero(region)).astype(np.float64)
    covariance = np.cov(places, ddof=0) + np.eye(2) / 12
    return 4 * math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))
