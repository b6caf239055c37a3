"""How far a thing at the same place goes on beyond what the classifier reads of it: the rest of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from explanans.audit.geometry import GRID
from explanans.ops.region_library import library

SAME = 0.5
"""Cosine of what two photos have in a region, less what photos have there on average: from here on it is the same."""
ENOUGH = 20
"""Photos without which cells are not compared: what a few have in a small cell may well be alike by chance."""
FINE = 4
"""Values across a cell in which it is compared."""
FAINT = 0.1
"""Of how much strangers differ from their mean: what differs less from it counts for less, down to rounding errors."""

Cells = NDArray[np.bool_]
Numbers = NDArray[np.float32]


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


def whole_place(region: Cells, images: Tensor, strangers: Tensor) -> Cells:
    """A region of cells (16, 16) and all that hangs together with it, corners included, and is the same in the images.

    A classifier that reads one side of a frame needs no other, so that its masks and its answers say nothing of the
    rest. Taught to leave that side it would read the next. A cell is the same where :func:`sameness` is at least 0.5,
    and none is with fewer than 20 images or strangers. What strangers have there as well is not it.

    Args:
        images: (N, K, H, W), those that have something in the region.
        strangers: (M, K, H, W), whose mean is what images have there on average.
    """
    if min(len(images), len(strangers)) < ENOUGH:
        return region.copy()
    others = _by_cell(strangers)
    usual = others.mean(0)
    # The length of a cell's difference, of one that differs as much as strangers do anywhere, on average.
    length = float(np.sqrt(((others - usual) ** 2).mean() * others.shape[-1]))
    same = sameness(_by_cell(images), usual, max(1e-9, FAINT * length)).reshape(GRID, GRID) >= SAME
    found = library("scipy.ndimage").binary_propagation(region, np.ones((3, 3)), mask=region | same)
    return np.asarray(found, np.bool_)


def _by_cell(images: Tensor) -> Numbers:
    """Images (N, K, H, W) → (N, 256, K · 16), what each cell of the grid has."""
    small = functional.adaptive_avg_pool2d(images.float(), GRID * FINE)
    return functional.unfold(small, FINE, stride=FINE).transpose(1, 2).cpu().numpy()
