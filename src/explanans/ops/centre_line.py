"""How long and how wide a region is, from the line that runs through its middle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.ops.chords import Points, reach, shortest_chords
from explanans.ops.region_library import library
from explanans.ops.skeleton import Path, Skeleton

Region = NDArray[np.bool_]

SMOOTHED = 9
"""Pixels of a path, at least, that a polynomial of second order is fitted to for each point."""


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
    graph = Skeleton(library("skimage.morphology").skeletonize(region, method="lee") > 0, depth)
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
    widest = float(shortest_chords(points, solid, depth).max())
    # Rows and columns become x and y; pixel (0, 0) of what was padded has its centre at (−0.5, −0.5).
    return CentreLine(length, area / length, widest, tuple(curve[:, ::-1] - 0.5 for curve in curves))


def _smoothed(path: Path, depth: NDArray[np.float64]) -> Points:
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
        far = reach(line[:1], direction[None], solid, np.array([3 * radius + 3]))[0, 0]
        ends.append(line[:1] + min(float(far), 3 * radius + 3) * direction)
    return np.concatenate([ends[0], curve, ends[1]])


def _longer_axis(region: Region) -> float:
    """4 √λ with λ the larger eigenvalue of the covariance of the region's pixels, each of which is a square."""
    places = np.stack(np.nonzero(region)).astype(np.float64)
    covariance = np.cov(places, ddof=0) + np.eye(2) / 12
    return 4 * math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))
