"""Masks that are smooth by construction: the smooth max-convolution of Extremal Perturbations (Fong et al. 2019)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

COLDNESS = 20.0


def max_kernel(step: int, sigma: float, like: Tensor) -> Tensor:
    """Kernel k of the max-convolution, (K, K, step, step): weight of each near grid point for each pixel of a cell.

    k(d) = exp(−2 max(0, d / σ − 1/2)²) of the distance d in pixels: 1 up to half a σ, then falling. Grid points lie in
    the middle of cells of step × step pixels; near are those up to 1 + ⌈σ / step⌉ cells away along each axis.
    """
    reach = 1 + math.ceil(sigma / step)
    points = step * torch.arange(-reach, reach + 1, device=like.device, dtype=like.dtype)
    pixels = torch.arange(step, device=like.device, dtype=like.dtype) - (step - 1) / 2
    squares = (pixels - points[:, None]).square()
    distance = (squares[:, None, :, None] + squares[None, :, None, :]).sqrt()
    return torch.exp(-2 * (distance / sigma - 0.5).clamp(min=0).square())


class _SmoothMax(torch.autograd.Function):
    """Grids (R, h, w) → (step², R, h, w). One near grid point at a time, so that memory does not grow with K²."""

    @staticmethod
    def forward(ctx: Any, grids: Tensor, kernel: Tensor) -> Tensor:
        weights = COLDNESS * kernel.flatten(2)[..., None, None, None]
        total = grids.new_zeros(weights.shape[2], *grids.shape)
        result = torch.zeros_like(total)
        scaled, powers = torch.empty_like(total), torch.empty_like(total)
        for weight, window in zip(weights.flatten(0, 1), _windows(grids, len(kernel)), strict=True):
            torch.mul(weight, window, out=scaled)
            torch.exp(scaled, out=powers)
            total += powers
            result.addcmul_(scaled, powers)
        result /= total
        ctx.save_for_backward(grids, kernel, total, result)
        return result / COLDNESS

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # With g_k = T f_k and s = Σ g e^g / Σ e^g: ∂s/∂g_k = e^{g_k} (1 + g_k − s) / Σ e^g.
        grids, kernel, total, result = ctx.saved_tensors
        weights = kernel.flatten(2)[..., None, None, None]
        share, level = gradients[0] / total, result - 1
        padded = F.pad(torch.zeros_like(grids), [len(kernel) // 2] * 4)
        scaled, powers = torch.empty_like(total), torch.empty_like(total)
        for weight, window, into in zip(
            weights.flatten(0, 1), _windows(grids, len(kernel)), _views(padded, grids, len(kernel)), strict=True
        ):
            torch.mul(COLDNESS * weight, window, out=scaled)
            torch.exp(scaled, out=powers)
            scaled.sub_(level).mul_(powers).mul_(share)
            into += torch.tensordot(weight.flatten(), scaled, 1)
        reach = len(kernel) // 2
        return padded[:, reach : reach + grids.shape[1], reach : reach + grids.shape[2]], None


def _views(padded: Tensor, grids: Tensor, size: int) -> list[Tensor]:
    height, width = grids.shape[-2:]
    return [padded[:, y : y + height, x : x + width] for y in range(size) for x in range(size)]


def _windows(grids: Tensor, size: int) -> list[Tensor]:
    return _views(F.pad(grids, [size // 2] * 4), grids, size)


def grid_size(size: tuple[int, int], step: int) -> tuple[int, int]:
    """Rows and columns of the grid whose cells of step × step pixels cover an image of ``size``."""
    return math.ceil(size[0] / step), math.ceil(size[1] / step)


def smooth_mask(grids: Tensor, size: tuple[int, int], kernel: Tensor) -> Tensor:
    """Smooth max-convolution m(u) = smax_v k(u − v) g(v) of grids (R, h, w) in [0, 1] → masks (R, H, W) in [0, 1].

    smax f = Σ_v f_v exp(T f_v) / Σ_v exp(T f_v) with T = 20, over the grid points v near the pixel u; those outside
    the grid are 0. A mask is hardly less smooth than k, whatever the grid. Where the cells cover more than the image,
    the excess is cut off on both sides alike.

    Args:
        grids: (R, h, w) of :func:`grid_size`.
        size: H and W.
        kernel: from :func:`max_kernel`.
    """
    step = kernel.shape[-1]
    height, width = grids.shape[-2:]
    cells: Tensor = _SmoothMax.apply(grids, kernel)
    masks = cells.view(step, step, *grids.shape).permute(2, 3, 0, 4, 1).reshape(-1, height * step, width * step)
    top, left = (height * step - size[0]) // 2, (width * step - size[1]) // 2
    return masks[:, top : top + size[0], left : left + size[1]]
