from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explanans.methods.shared.smooth_mask import COLDNESS, grid_size, max_kernel, smooth_mask


def naive(grid: Tensor, size: tuple[int, int], step: int, sigma: float) -> Tensor:
    """The smooth max-convolution, one pixel and one grid point at a time."""
    reach = 1 + math.ceil(sigma / step)
    height, width = grid.shape
    top, left = (height * step - size[0]) // 2, (width * step - size[1]) // 2
    mask = torch.zeros(size, dtype=grid.dtype)
    for y in range(size[0]):
        for x in range(size[1]):
            row, column = (y + top) // step, (x + left) // step
            values = []
            for i in range(row - reach, row + reach + 1):
                for j in range(column - reach, column + reach + 1):
                    value = float(grid[i, j]) if 0 <= i < height and 0 <= j < width else 0.0
                    distance = math.hypot(y + top - ((i + 0.5) * step - 0.5), x + left - ((j + 0.5) * step - 0.5))
                    values.append(value * math.exp(-2 * max(0.0, distance / sigma - 0.5) ** 2))
            powers = [math.exp(COLDNESS * value) for value in values]
            mask[y, x] = sum(v * p for v, p in zip(values, powers, strict=True)) / sum(powers)
    return mask


@pytest.mark.parametrize(("size", "step", "sigma"), [((9, 9), 3, 4.0), ((7, 10), 4, 4.0), ((6, 5), 1, 1.5)])
def test_agrees_with_a_naive_loop(size: tuple[int, int], step: int, sigma: float) -> None:
    grids = torch.rand(2, *grid_size(size, step), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    masks = smooth_mask(grids, size, max_kernel(step, sigma, grids))
    assert masks.shape == (2, *size)
    for grid, mask in zip(grids, masks, strict=True):
        torch.testing.assert_close(mask, naive(grid, size, step, sigma), rtol=0, atol=1e-12)


def test_gradient() -> None:
    grids = torch.rand(2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    kernel = max_kernel(2, 2.0, grids)
    assert torch.autograd.gradcheck(lambda grids: smooth_mask(grids, (4, 5), kernel), grids)


def test_a_point_makes_a_disc_around_itself() -> None:
    grids = torch.zeros(1, 5, 5)
    grids[0, 1, 3] = 1
    mask = smooth_mask(grids, (35, 35), max_kernel(7, 21.0, grids))[0]
    row, column = divmod(int(mask.argmax()), 35)
    assert abs(row - 10) <= 10.5
    assert abs(column - 24) <= 10.5
    # The centre of cell (1, 3) is pixel (10, 24); flat within half a sigma of it, and alike on all sides beyond.
    torch.testing.assert_close(mask[0:21, 24].flip(0), mask[0:21, 24])
    torch.testing.assert_close(mask[10, 14:35].flip(0), mask[10, 14:35])
    assert mask[10, 24] > 0.99
    assert mask.min() >= 0
    assert mask[34, 0] < 0.05
