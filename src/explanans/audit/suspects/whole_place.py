"""How far a thing at the same place goes on beyond what the classifier reads of it: the rest of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from explanans.audit.geometry import GRID
from explanans.audit.suspects.cell_pixels import SAME, by_cell, faint, sameness
from explanans.ops.region_library import library

ENOUGH = 20
"""Photos without which cells are not compared: what a few have in a small cell may well be alike by chance."""

Cells = NDArray[np.bool_]


def whole_place(region: Cells, images: Tensor, strangers: Tensor, enough: int = ENOUGH) -> Cells:
    """A region of cells (16, 16) and all that hangs together with it, corners included, and is the same in the images.

    A classifier that reads one side of a frame needs no other, so that its masks and its answers say nothing of the
    rest. Taught to leave that side it would read the next. A cell is the same where
    :func:`~explanans.audit.suspects.cell_pixels.sameness` is at least 0.5, and none is with fewer than ``enough``
    images or strangers. What strangers have there as well is not it.

    Args:
        images: (N, K, H, W), those that have something in the region.
        strangers: (M, K, H, W), whose mean is what images have there on average.
    """
    if min(len(images), len(strangers)) < enough:
        return region.copy()
    others = by_cell(strangers)
    usual = others.mean(0)
    same = sameness(by_cell(images), usual, faint(others, usual)).reshape(GRID, GRID) >= SAME
    return connected(region, same)


def connected(region: Cells, others: Cells) -> Cells:
    """A region and the other cells that hang together with it, corners included, (16, 16)."""
    found = library("scipy.ndimage").binary_propagation(region, np.ones((3, 3)), mask=region | others)
    return np.asarray(found, np.bool_)
