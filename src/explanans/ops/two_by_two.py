"""Four pictures in one, two rows of two: the layout of montages, to learn from and to measure by."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

CELLS = 4
"""Numbered row by row."""


def two_by_two(images: Tensor, shrunk: Callable[[Tensor, tuple[int, int]], Tensor]) -> Tensor:
    """Four images in one, (G, 4, K, H, W) → (G, K, H, W); of an odd side the cells below or to the right are larger.

    Args:
        shrunk: images (G, K, H, W) and the size of a cell → these images at that size.
    """
    height, width = images.shape[-2:]
    whole = images.new_empty(len(images), *images.shape[2:])
    for number in range(CELLS):
        rows, columns = cell(number, height, width)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        whole[:, :, rows, columns] = shrunk(images[:, number], size)
    return whole


def cell(number: int, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a cell in a picture of this size."""
    down, right = divmod(number, 2)
    return (
        slice(height // 2 if down else 0, height if down else height // 2),
        slice(width // 2 if right else 0, width if right else width // 2),
    )
