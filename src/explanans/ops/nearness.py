"""How far pixels lie from a region, by discs and by squares."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def near(region: Tensor, radius: int) -> Tensor:
    """Where (N, H, W) the region (N, H, W) bool or a pixel of it within a disc of that radius in pixels lies."""
    height, width = region.shape[1:]
    # With running sums along the rows, whether a stretch of a row meets the region is one difference.
    sums = functional.pad(region, (radius + 1, radius)).cumsum(2, dtype=torch.int32)
    found = torch.zeros_like(region)
    for offset in range(min(radius, height - 1) + 1):
        half = math.isqrt(radius**2 - offset**2)
        right, left = radius + 1 + half, radius - half
        meets = sums[:, :, right : right + width] > sums[:, :, left : left + width]
        found[:, offset:] |= meets[:, : height - offset]
        found[:, : height - offset] |= meets[:, offset:]
    return found


def rim(region: Tensor, depth: int, *, frame: bool) -> Tensor:
    """Pixels of the region (N, H, W) bool at most ``depth`` steps inside it, steps along rows, columns and diagonals.

    Args:
        depth: 1 is the outermost pixel alone.
        frame: whether the picture's own edge is an edge of the region too.
    """
    reached = functional.pad(~region, [depth] * 4, value=frame)
    for axis in (1, 2):
        # A square is a stretch of a row of stretches of columns, and a stretch is a difference of running sums.
        before = [0, 0, 1, 0] if axis == 1 else [1, 0]
        sums = functional.pad(reached.cumsum(axis, dtype=torch.int32), before)
        length = region.shape[axis]
        reached = sums.narrow(axis, 2 * depth + 1, length) > sums.narrow(axis, 0, length)
    return region & reached
