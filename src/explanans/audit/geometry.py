"""Where in the frame masks lie, and how much of them lies in an object: pure functions on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from explanans.metrics.boundary import WIDTH
from explanans.ops.nearness import near

GRID = 16
"""Rows and columns of the grid on which masks of all photos are compared."""


def on_grid(masks: Tensor) -> Tensor:
    """Masks (N, H, W) bool → the share of each cell that is inside, float32 (N, 16, 16)."""
    return functional.adaptive_avg_pool2d(masks.float()[:, None], GRID)[:, 0]


def centres(masks: Tensor) -> Tensor:
    """Centre of mass (N, 2) of masks (N, H, W) bool as x, y in [0, 1] from the upper left; NaN for an empty mask."""
    weights = masks.double()
    total = weights.sum((1, 2))
    height, width = masks.shape[1:]
    x = (torch.arange(width, dtype=torch.double) + 0.5) / width
    y = (torch.arange(height, dtype=torch.double) + 0.5) / height
    return torch.stack([(weights.sum(1) @ x) / total, (weights.sum(2) @ y) / total], 1)


def border_width(height: int, width: int) -> int:
    """In pixels: 2 % of the diagonal, as boundary IoU has it, at least 1."""
    return max(1, round(WIDTH * math.hypot(height, width)))


def shares(masks: Tensor, regions: Tensor, valid: Tensor) -> Tensor:
    """Shares of masks inside, on the border and outside of the objects, (N, 3), each row sums to 1.

    The border are the pixels within :func:`border_width` of the outline, on either side of it. NaN for a mask without
    a pixel that counts.

    Args:
        masks: bool (N, H, W).
        regions: bool (N, H, W), the objects.
        valid: bool (N, H, W), false where a pixel is void and counts nowhere.
    """
    width = border_width(*masks.shape[1:])
    border = near(regions, width) & near(~regions, width)
    counted = masks & valid
    parts = [counted & regions & ~border, counted & border, counted & ~regions & ~border]
    numbers = torch.stack([part.flatten(1).sum(1) for part in parts], 1).double()
    return numbers / numbers.sum(1, keepdim=True)
