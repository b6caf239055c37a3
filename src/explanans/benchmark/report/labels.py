"""Where labels go beside the points of a scatter, so that none lies on another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    gap: float = 5.0,
    lines: Sequence[Box] = (),
) -> list[tuple[float, float]]:
    """The lower left corner of each label.

    Labels are placed one by one, those of crowded points first, each at the nearest of many places around its point
    where it covers no label and no point and stays in the frame; where there is none, where it covers least.

    Args:
        points: x, y of each.
        sizes: width and height of each label, in the same unit.
        frame: where labels may lie.
        gap: between a point and its label.
        lines: what a label had better not cross, where it has the choice.
    """
    placed: list[Box] = []
    dots = [(x - gap * 0.7, y - gap * 0.7, x + gap * 0.7, y + gap * 0.7) for x, y in points]
    corners: dict[int, tuple[float, float]] = {}
    centres = np.array(points, float).reshape(-1, 2)
    crowd = [float(np.exp(-np.hypot(*(centres - centre).T) / 40).sum()) for centre in centres]
    for index in sorted(range(len(points)), key=lambda each: -crowd[each]):
        width, height = sizes[index]
        size = np.array([width, height])
        places = _around(points[index], sizes[index], gap)
        boxes = np.column_stack([places, places + size])
        covered = sum((_overlap(boxes, other) for other in [*placed, *dots]), np.zeros(len(boxes)))
        outside = width * height - _overlap(boxes, frame)
        crossed = sum((_overlap(boxes, other) for other in lines), np.zeros(len(boxes)))
        # A label far away is worse than one that crosses a line, and better than one that covers another.
        far = 0.02 * width * height * np.hypot(*(np.clip(points[index], places, places + size) - points[index]).T) / gap
        best = int(np.argmin(np.round(100 * covered + 400 * outside + crossed + far, 6)))
        corners[index] = (float(boxes[best, 0]), float(boxes[best, 1]))
        placed.append(tuple(boxes[best].tolist()))
    return [corners[index] for index in range(len(points))]


def _around(point: tuple[float, float], size: tuple[float, float], gap: float) -> NDArray[np.float64]:
    """Lower left corners for a label, the nearest first: right, left, above, below, between; then further."""
    (x, y), (width, height) = point, size
    corners = []
    for ring in range(14):
        away = gap + ring * height * 0.6
        right, left, middle = x + away, x - away - width, x - width / 2
        over, under, level = y + away, y - away - height, y - height / 2
        corners += [(right, level), (left, level), (middle, over), (middle, under)]
        corners += [(right, over), (right, under), (left, over), (left, under)]
        if ring:
            corners += [(x, over), (x, under), (x - width, over), (x - width, under)]
            corners += [(side, level + turn * away / 2) for side in (right, left) for turn in (1, -1)]
    return np.array(corners)


def _overlap(boxes: NDArray[np.float64], other: Box) -> NDArray[np.float64]:
    """Area that each of the boxes (k, 4) shares with another one."""
    width = np.minimum(boxes[:, 2], other[2]) - np.maximum(boxes[:, 0], other[0])
    height = np.minimum(boxes[:, 3], other[3]) - np.maximum(boxes[:, 1], other[1])
    return width.clip(0) * height.clip(0)
