"""Replace pixels by the weighted mean of their neighbours: the noisy linear imputation of ROAD, for many images."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError

TOLERANCE = 1e-4
MAX_ITERATIONS = 5000


def impute(
    images: Tensor,
    removed: Tensor,
    noise: float = 0.01,
    generator: torch.Generator | None = None,
    tolerance: float = TOLERANCE,
) -> Tensor:
    """Noisy linear imputation (Rong et al., "A Consistent and Efficient Evaluation Strategy", ICML 2022).

    Each removed pixel becomes the weighted mean of its eight neighbours, 1/6 for those that share a side and 1/12 for
    those that share a corner (what lies outside the image is left out and the rest scaled up), plus Gaussian noise.
    That all removed pixels follow the rule at once is one linear system per image, whose matrix is symmetric and
    positive definite; it is solved for all images and channels together by conjugate gradients.

    Args:
        images: (N, C, H, W).
        removed: (N, H, W) bool; in each image at least one pixel must be left.
        noise: its standard deviation, on the images' scale.
        generator: of the noise, on the images' device.
        tolerance: relative size of what the equations are off by when the iteration ends.

    Returns:
        images as given where pixels are left, (N, C, H, W).

    Raises:
        InputError: shapes that do not fit, an image without a pixel left.
    """
    if images.ndim != 4 or removed.dtype != torch.bool or removed.shape != (len(images), *images.shape[2:]):
        raise InputError(
            f"images {tuple(images.shape)}, removed {removed.dtype} {tuple(removed.shape)}; give (N, C, H, W) and bool "
            "(N, H, W)."
        )
    if removed.flatten(1).all(1).any():
        raise InputError("removed: nothing is left of an image; leave at least one pixel to impute from.")
    missing = removed[:, None]
    known = images.masked_fill(missing, 0)
    solution = _solve(known, missing, tolerance)
    if noise:
        solution = solution + torch.empty_like(images).normal_(std=noise, generator=generator)
    return torch.where(missing, solution, images)


def neighbours(values: Tensor) -> Tensor:
    """Σ of w·value over a pixel's eight neighbours, 0 outside; w = 1/6 at a side, 1/12 at a corner."""
    # The outer product of (1, 2, 1) with itself is (1, 2, 1; 2, 4, 2; 1, 2, 1): twelve times the weights, and a four.
    rows = _one_two_one(values, -2)
    return (_one_two_one(rows, -1) - 4 * values) / 12


def _one_two_one(values: Tensor, dim: int) -> Tensor:
    total = 2 * values
    length = values.shape[dim]
    total.narrow(dim, 1, length - 1).add_(values.narrow(dim, 0, length - 1))
    total.narrow(dim, 0, length - 1).add_(values.narrow(dim, 1, length - 1))
    return total


def _solve(known: Tensor, missing: Tensor, tolerance: float) -> Tensor:
    """x on the missing pixels with (Σ w) x = Σ w x over the neighbours; 0 elsewhere."""
    diagonal = neighbours(torch.ones_like(known[:1, :1]))
    right = neighbours(known) * missing
    x = torch.zeros_like(known)
    residual = right
    bound = tolerance * right.flatten(2).norm(dim=2)
    scaled = residual / diagonal
    direction = scaled
    energy = (residual * scaled).flatten(2).sum(2)
    for _ in range(MAX_ITERATIONS):
        # Asked this way round, NaN, which no iteration can repair, holds nobody up.
        if not (residual.flatten(2).norm(dim=2) > bound).any():
            break
        image = (diagonal * direction - neighbours(direction)) * missing
        step = (energy / (direction * image).flatten(2).sum(2).clamp(min=1e-30))[..., None, None]
        x = x + step * direction
        residual = residual - step * image
        scaled = residual / diagonal
        before, energy = energy, (residual * scaled).flatten(2).sum(2)
        direction = scaled + (energy / before.clamp(min=1e-30))[..., None, None] * direction
    return x
