"""A mask whose border follows the edges of the picture, at the picture's own resolution."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from explanans.ops.cut_regions import AT_ONCE, values_of
from explanans.ops.refinement import adapt_to_pixels
from explanans.utils.disk_array import DiskArray

BLOCK = 384
"""Pixels of the side of a block that is snapped to edges at once."""

STEPS, REACHES = 10, (1, 2, 4, 8)
"""Of :func:`explanans.ops.refinement.adapt_to_pixels`: a pixel is told of others 80 pixels away at most."""

UNDECIDED = 0.02
"""A block in which no value lies between this and 1 − this is left as it is."""


def snapped_to_edges(mask: NDArray[np.float32] | DiskArray, picture: Image.Image) -> NDArray[np.float32] | DiskArray:
    """A mask (H, W), or bytes of 255 · mask, whose border follows the edges of the picture (RGB).

    :func:`~explanans.ops.refinement.adapt_to_pixels` at the picture's own resolution, block by block: each with so much
    around it that the result is that of the whole picture at once, whatever its size. A large one lies on the disk.
    """
    margin = STEPS * max(REACHES)
    height, width = mask.shape
    out: NDArray[np.float32] | DiskArray
    out = np.empty((height, width), np.float32) if mask.size <= AT_ONCE else DiskArray((height, width), np.float32)
    for top in range(0, height, BLOCK):
        rows = slice(max(0, top - margin), min(height, top + BLOCK + margin))
        around = values_of(mask, rows)
        band = around[top - rows.start : top - rows.start + BLOCK].copy()
        for left in range(0, width, BLOCK):
            columns = slice(max(0, left - margin), min(width, left + BLOCK + margin))
            part = around[:, columns]
            if not ((part > UNDECIDED) & (part < 1 - UNDECIDED)).any():
                continue
            pixels = np.asarray(picture.crop((columns.start, rows.start, columns.stop, rows.stop)))
            colours = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
            refined = adapt_to_pixels(torch.from_numpy(part.copy())[None], colours, STEPS, REACHES)[0].numpy()
            inner = slice(left - columns.start, left - columns.start + BLOCK)
            band[:, left : left + BLOCK] = refined[top - rows.start : top - rows.start + BLOCK, inner]
        out[top : top + BLOCK] = band.clip(0, 1)
    return out
