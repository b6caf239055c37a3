"""What photos have in each cell of the grid, and how far that is the same in all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from explanans.audit.geometry import GRID

SAME = 0.5
"""Cosine of what two photos have in a region, less what photos have there on average: from here on it is the same."""
FINE = 4
"""Values across a cell in which it is compared."""
FAINT = 0.1
"""Of how much strangers differ from their mean: what differs less from it counts for less, down to rounding errors."""

Numbers = NDArray[np.float32]


def by_cell(images: Tensor) -> Numbers:
    """Images (N, K, H, W) → (N, 256, K · 16), what each cell of the grid of 16 × 16 has."""
    return blocks(functional.adaptive_avg_pool2d(images.float(), GRID * FINE), FINE)


def blocks(images: Tensor, side: int) -> Numbers:
    """Images (N, K, H, W) → (N, H/side · W/side, K · side²), their squares row by row."""
    return functional.unfold(images, side, stride=side).transpose(1, 2).cpu().numpy()


def faint(cells: Numbers, usual: Numbers) -> float:
    """A tenth of how far cells (N, C, D) lie from what is usual, (C, D) or (D,), as a length, and more than 0."""
    spread = ((cells - usual) ** 2).mean() * cells.shape[-1]
    return max(1e-9, FAINT * float(np.sqrt(spread)))


def sameness(pixels: Numbers, usual: Numbers, least: float = 1e-9) -> Numbers:
    """Mean cosine between entries of (N, …, D) less ``usual`` (…, D), over pairs (…): 1 where all have the same.

    Args:
        least: a length. Entries that are nearer to ``usual`` count as if they were so long, so that their cosine is
            less.
    """
    centred = pixels - usual
    unit = centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), least)
    count = len(unit)
    both = (unit.sum(0) ** 2).sum(-1) - (unit**2).sum((0, -1))
    return np.asarray(both / max(1, count * (count - 1)), np.float32)
