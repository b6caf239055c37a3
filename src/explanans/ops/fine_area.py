"""The area of a region to a part of a pixel, from how the mask falls off at its border."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from explanans.ops.cut_regions import AT_ONCE, Box, values_of
from explanans.ops.region_library import library
from explanans.utils.disk_array import DiskArray

REACH = 2
"""Pixels in each direction within which the mask's range is taken."""

INNER = slice(REACH, -REACH)


def fine_area(mask: NDArray[np.float32] | DiskArray, where: Box, inside: NDArray[np.bool_], threshold: float) -> float:
    """Square pixels that a region covers, pixels at its border in part.

    An oblique line of three pixels' width holds four centres of pixels in a row or five, so their number is up to a
    fifth off. A mask that falls off softly says more: a pixel with neighbours on both sides of the border counts
    clamp(½ + (m − t) / s) with m the mask, t the threshold and s the range of the mask in the 5 × 5 pixels around. That
    is the covered share itself where the mask is one (a drawing with smooth edges, cut at ½), and exact for straight
    borders of a mask that rises evenly. Of a mask that is 0 or 1 there nothing is known below a pixel, and the pixels
    are counted. Filled holes count; what lies beside the picture is taken to be as its outermost pixels.

    Args:
        mask: (H, W), or bytes, 255 · mask.
        where: the region's box in it.
        inside: (box height, box width), the region.
        threshold: of the mask; in (0, 1].

    Raises:
        InputError: scikit-image is not installed.
    """
    (rows, columns), (height, width) = where, mask.shape
    step = max(1, AT_ONCE // (inside.shape[1] + 8))
    total, hard = 0.0, True
    # On each side the pixels at the border, and those around these.
    margin = 2 * REACH
    around = np.pad(inside, margin)
    places = np.arange(columns.start - margin, columns.stop + margin)
    for top in range(REACH, len(around) - REACH, step):
        down = min(top + step, len(around) - REACH)
        lines = np.arange(top - REACH, down + REACH) + rows.start - margin
        near_lines, near_places = lines.clip(0, height - 1), places.clip(0, width - 1)
        part = slice(int(near_lines[0]), int(near_lines[-1]) + 1), slice(int(near_places[0]), int(near_places[-1]) + 1)
        values = values_of(mask, part)[near_lines - near_lines[0]][:, near_places - near_places[0]]
        # Where both are clipped, the outermost row and column of the picture stand for what is beside it.
        own_lines = (near_lines - rows.start + margin).clip(0, len(around) - 1)
        own_places = (near_places - columns.start + margin).clip(0, around.shape[1] - 1)
        region = around[own_lines][:, own_places]
        within = ((lines >= 0) & (lines < height))[INNER, None] & ((places >= 0) & (places < width))[None, INNER]
        shares, known = _shares(values, region, threshold)
        total += float(np.where(within, shares, 0).sum())
        hard = hard and known
    return float(np.count_nonzero(inside)) if hard else total


def _shares(
    values: NDArray[np.float32], region: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.float64], bool]:
    """Of the inner ones of (K, L) pixels what is covered, and whether the mask is 0 or 1 at the border."""
    ndimage, side = library("scipy.ndimage"), 2 * REACH + 1
    any_inside = ndimage.maximum_filter(region, side)[INNER, INNER]
    all_inside = ndimage.minimum_filter(region, side)[INNER, INNER]
    shares = all_inside.astype(np.float64)
    rows, columns = np.nonzero(any_inside & ~all_inside)
    lowest, highest, hard = np.full(len(rows), np.inf), np.full(len(rows), -np.inf), True
    for i, j in itertools.product(range(side), range(side)):
        value, own = values[rows + i, columns + j], region[rows + i, columns + j]
        hard = hard and bool(((value == 0) | (value == 1)).all())
        # Holes that were filled have low values, and other pieces high ones.
        level = np.where(own, np.maximum(value, threshold), np.minimum(value, threshold)).astype(np.float64)
        lowest, highest = np.minimum(lowest, level), np.maximum(highest, level)
        if i == j == REACH:
            centre, filled, foreign = level, own & (value < threshold), ~own & (value >= threshold)
    spread = highest - lowest
    found = (0.5 + (centre - threshold) / np.where(spread > 0, spread, 1)).clip(0, 1)
    shares[rows, columns] = np.select([filled, foreign], [1.0, 0.0], found)
    return shares, hard
