"""From a mask to regions: cut, small holes filled, small pieces dropped, connected pixels numbered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from explanans.ops.refinement import adapt_to_pixels
from explanans.ops.region_library import library

BLOCK = 384
"""Pixels of the side of a block that is snapped to edges at once."""

STEPS, REACHES = 10, (1, 2, 4, 8)
"""Of :func:`explanans.ops.refinement.adapt_to_pixels`: a pixel is told of others 80 pixels away at most."""

UNDECIDED = 0.02
"""A block in which no value lies between this and 1 − this is left as it is."""


def cut_regions(mask: NDArray[np.float32], threshold: float, smallest: int, largest_hole: int) -> NDArray[np.int32]:
    """Numbers (H, W): 0 outside, 1 … R in the R connected regions, from the largest to the smallest.

    A pixel is inside where the mask is at least ``threshold``. Pixels that touch at a side or a corner belong together:
    thin things that run obliquely hang together by corners. What is outside hangs together by sides alone.

    Args:
        mask: (H, W) in [0, 1].
        smallest: regions with fewer pixels are dropped.
        largest_hole: holes of at most so many pixels are filled; 0 for none.

    Raises:
        InputError: scikit-image is not installed.
    """
    label = library("scipy.ndimage").label
    inside = mask >= threshold
    if largest_hole:
        numbers, _ = label(~inside)
        sizes = np.bincount(numbers.ravel())
        # What reaches the picture's edge is no hole.
        edge = np.unique(np.concatenate([numbers[[0, -1]].ravel(), numbers[:, [0, -1]].ravel()]))
        holes = sizes <= largest_hole
        holes[edge] = holes[0] = False
        inside = inside | holes[numbers]
    numbers, _ = label(inside, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= max(1, smallest)]
    ranks = np.zeros(len(sizes), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks[numbers]


def snapped_to_edges(mask: NDArray[np.float32], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A mask (H, W) whose border follows the edges of the picture (H, W, 3).

    :func:`~explanans.ops.refinement.adapt_to_pixels` at the picture's own resolution, block by block: each with so much
    around it that the result is that of the whole picture at once, whatever its size.
    """
    margin = STEPS * max(REACHES)
    out = mask.copy()
    for top, left in _corners(*mask.shape):
        rows, columns = (
            slice(max(0, top - margin), top + BLOCK + margin),
            slice(max(0, left - margin), left + BLOCK + margin),
        )
        around = mask[rows, columns]
        if not ((around > UNDECIDED) & (around < 1 - UNDECIDED)).any():
            continue
        colours = torch.from_numpy(pixels[rows, columns].astype(np.float32) / 255).permute(2, 0, 1)[None]
        refined = adapt_to_pixels(torch.from_numpy(around)[None], colours, STEPS, REACHES)[0].numpy()
        inner = (
            slice(top - rows.start, top - rows.start + BLOCK),
            slice(left - columns.start, left - columns.start + BLOCK),
        )
        out[top : top + BLOCK, left : left + BLOCK] = refined[inner]
    return out.clip(0, 1)


def _corners(height: int, width: int) -> Iterator[tuple[int, int]]:
    yield from ((top, left) for top in range(0, height, BLOCK) for left in range(0, width, BLOCK))
