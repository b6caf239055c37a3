"""Mask logits of many classes, of which a loss wants a few as maps and of the rest a sum: never all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Values of a block that is worked on at a time: what stays in a processor's cache, and what fills a graphics card.
ON_PROCESSOR, ELSEWHERE = 1 << 18, 1 << 26

FEW = 64
"""Of so many classes all maps are made at once, which is quicker and fits into any memory."""

# Up to this σ 1 − σ is at least 1/4, and the product of so many such factors a normal number in single precision.
UNDECIDED, FACTORS = 0.75, 60


def are_few(classes: int) -> bool:
    """Whether all maps of so many classes may be made at once."""
    return classes <= FEW


class ClassMaps(ABC):
    """Mask logits (N, C, h, w) that are made class by class.

    Attributes:
        shape: N, C, h, w.
    """

    shape: tuple[int, int, int, int]

    @abstractmethod
    def of(self, image: Tensor, column: Tensor) -> Tensor:
        """Maps (P, h, w) of the pairs (``image[p]``, ``column[p]``), int64; images in ascending order."""

    @abstractmethod
    def blocks(self, image: int, columns: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Some of ``columns`` (K,) and their maps (K', h, w) of one image, time and again until all were had.

        Without gradients; a map that was had may be forgotten.
        """

    @abstractmethod
    def softplus_sum(self, counted: Tensor) -> Tensor:
        """Σ log(1 + e^x) over all positions of the maps x that are true in ``counted`` (N, C)."""


class WholeMaps(ClassMaps):
    """Maps that are all there: ``logits`` (N, C, h, w)."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.shape = tuple(logits.shape)  # type: ignore[assignment]

    def of(self, image: Tensor, column: Tensor) -> Tensor:
        return self.logits[image, column]

    def blocks(self, image: int, columns: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for some in _split(columns, self.shape[2] * self.shape[3]):
            yield some, self.logits[image, some].detach()

    def softplus_sum(self, counted: Tensor) -> Tensor:
        return _OfWhole.apply(self.logits, counted)


class FactoredMaps(ClassMaps):
    """Maps that are products of matrices: those of image n are left_n · [right_n; fixed], (C, k + f) · (k + f, h·w).

    This is what 1×1 convolutions of one network make, on features of one grid or enlarged from others: the maps of one
    class cost k + f multiplications per position, and nothing has to be kept of them. A few rows of a map read few
    rows of ``fixed``, where that enlarges a coarser grid; the others, all 0 there, are left out.

    Args:
        left: (N, C, k + f).
        right: (N, k, h·w).
        fixed: (f, h·w), the same for all images and without a gradient.
        size: h, w.
    """

    def __init__(self, left: Tensor, right: Tensor, fixed: Tensor, size: tuple[int, int]) -> None:
        self.shape = (left.shape[0], left.shape[1], *size)
        dtype = _precision(left, right)
        self.left, self.right, self.fixed = left.to(dtype), right.to(dtype), fixed.to(dtype)

    def of(self, image: Tensor, column: Tensor) -> Tensor:
        counts = torch.bincount(image, minlength=self.shape[0]).tolist()
        # Picked in one go: the gradient of each picking is as large as what is picked from.
        rows = self.left[image, column].split(counts)
        made = [
            some @ torch.cat([right, self.fixed])
            for some, right in zip(rows, self.right.unbind(), strict=True)
            if len(some)
        ]
        maps = torch.cat(made) if made else self.right.new_zeros(0, self.right.shape[2])
        return _wide(maps).unflatten(1, self.shape[2:])

    def blocks(self, image: int, columns: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        with torch.no_grad():
            own, left = self.right.shape[1], self.left[image]
            near = _bands(self.fixed, self.shape[1], self.shape[3])
            bands = [torch.cat([self.right[image, :, band], fixed]) for band, _, fixed in near]
            for some in _split(columns, self.shape[2] * self.shape[3]):
                rows = left[some].T
                parts = [
                    torch.cat([rows[:own], rows[own:][read]]).T @ right
                    for (_, read, _), right in zip(near, bands, strict=True)
                ]
                yield some, _wide(torch.cat(parts, 1)).unflatten(1, self.shape[2:])

    def softplus_sum(self, counted: Tensor) -> Tensor:
        return _OfFactored.apply(self.left, self.right, self.fixed, counted, self.shape[3])


class _OfWhole(torch.autograd.Function):
    """The gradient is made beside the value, block by block, while the block is in the cache."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, counted: Tensor) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        gradient = torch.zeros_like(logits, memory_format=torch.contiguous_format) if wanted else None
        sums = []
        for image in range(len(logits)):
            for some in _split(counted[image].nonzero()[:, 0], logits[0, 0].numel()):
                value, slope = softplus_and_slope(logits[image, some].flatten(1), wanted)
                sums.append(value)
                if gradient is not None and slope is not None:
                    gradient[image, some] = slope.unflatten(1, logits.shape[2:]).to(gradient.dtype)
        ctx.save_for_backward(gradient)
        return torch.stack(sums).sum() if sums else logits.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None


class _OfFactored(torch.autograd.Function):
    """As :class:`_OfWhole`, with the gradients of both matrices, so that no map outlives its image."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, fixed: Tensor, counted: Tensor, width: int) -> Tensor:
        wanted = any(ctx.needs_input_grad[:2])
        to_left, to_right = torch.zeros_like(left), torch.zeros_like(right)
        own = right.shape[1]
        most = int(counted.sum(1).max()) if len(counted) else 0
        near = _bands(fixed, most, width)
        # Of one image: a product of all its slopes is quicker than a sum of products of blocks.
        room = left.new_empty(most, right.shape[2]) if wanted else None
        sums = []
        with torch.autocast(left.device.type, enabled=False):
            for image in range(len(left)):
                columns = counted[image].nonzero()[:, 0]
                rows = left[image, columns].T.contiguous()
                slopes = None if room is None else room[: len(columns)]
                to_fixed = _wide(rows.new_zeros(len(fixed), len(columns))) if wanted else None
                for band, read, weights in near:
                    here = torch.cat([right[image, :, band], weights])
                    some_rows = torch.cat([rows[:own], rows[own:][read]])
                    for some in _slices(len(columns), here.shape[1], left.device):
                        value, slope = softplus_and_slope(some_rows[:, some].T @ here, wanted)
                        sums.append(value)
                        if slopes is not None and slope is not None:
                            slopes[some, band] = slope
                    if slopes is not None and to_fixed is not None:
                        to_fixed.index_add_(0, read, (weights @ slopes[:, band].T).to(to_fixed.dtype))
                if slopes is not None and to_fixed is not None:
                    to_left[image, columns] = torch.cat([slopes @ right[image].T, to_fixed.T.to(slopes.dtype)], 1)
                    torch.mm(rows[:own], slopes, out=to_right[image])
        ctx.save_for_backward(to_left, to_right)
        return torch.stack(sums).sum() if sums else _wide(left).new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        to_left, to_right = ctx.saved_tensors
        return to_left * upstream[0], to_right * upstream[0], None, None, None


def softplus_and_slope(maps: Tensor, with_slope: bool = True) -> tuple[Tensor, Tensor | None]:
    """Σ log(1 + e^x) over ``maps`` (K, P), and σ(x).

    log(1 + e^x) = −log(1 − σ(x)) where x is not large, max(x, 0) − log max(σ(x), 1 − σ(x)) for any x, and a sum of
    logarithms is the logarithm of a product. On a processor PyTorch's own log(1 + e^x) takes twenty times as long as σ.
    """
    maps = _wide(maps)
    slope = maps.sigmoid()
    factors, total = 1 - slope, maps.new_zeros(())
    if not (slope.numel() and slope.amax() <= UNDECIDED):
        torch.maximum(factors, slope, out=factors)
        total = maps.clamp(min=0).sum()
    for some in factors.split(FACTORS):
        total = total - some.prod(0).log().sum()
    return total, slope if with_slope else None


def _precision(left: Tensor, right: Tensor) -> torch.dtype:
    """What autocast would make of the matrices, once instead of for every block."""
    kind = left.device.type
    # The largest number in half precision is 65504, which a sum over positions exceeds.
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16:
        return torch.bfloat16
    return torch.promote_types(torch.promote_types(left.dtype, right.dtype), torch.float32)


def _wide(values: Tensor) -> Tensor:
    """In at least single precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _rows(positions: int, device: torch.device) -> int:
    return max(1, (ON_PROCESSOR if device.type == "cpu" else ELSEWHERE) // max(1, positions))


def rows_at_a_time(classes: int, width: int, device: torch.device) -> int:
    """Rows of a grid that are made of all classes at once."""
    return _rows(classes * width, device)


def _bands(fixed: Tensor, classes: int, width: int) -> list[tuple[slice, Tensor, Tensor]]:
    """Some rows of the grid: their positions, the rows of ``fixed`` (f, h·w) that are not 0 there, and these rows."""
    step = width * rows_at_a_time(classes, width, fixed.device)
    bands = [slice(start, start + step) for start in range(0, fixed.shape[1], step)]
    read = [fixed[:, band].any(1).nonzero()[:, 0] for band in bands]
    return [(band, some, fixed[some, band]) for band, some in zip(bands, read, strict=True)]


def _split(columns: Tensor, positions: int) -> tuple[Tensor, ...]:
    return columns.split(_rows(positions, columns.device)) if len(columns) else ()


def _slices(classes: int, positions: int, device: torch.device) -> list[slice]:
    step = _rows(positions, device)
    return [slice(start, start + step) for start in range(0, classes, step)]
