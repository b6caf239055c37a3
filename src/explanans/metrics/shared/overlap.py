"""How much a mask and an object overlap, and the three scores that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explanans.errors import InputError

CACHED = 1 << 18
"""Pixels of which the few tensors that a score needs fit into a processor's cache."""


@dataclass(frozen=True)
class Overlap:
    """Sums over the pixels of each image that are not void; soft masks and binarised ones share the formulas.

    A binary target g makes min(m, g) = m·g, max(m, g) = m + g − m·g and |m − g| = m + g − 2·m·g, so three sums per
    image are enough for every score.

    Attributes:
        intersection: Σ m·g, of shape (N,), or (N, T) for T thresholds.
        mask_area: Σ m, same shape.
        target_area: Σ g, of shape (N,) or (N, 1).
        pixels: how many pixels count, of shape (N,) or (N, 1).
        broken: (N,), true where the mask holds a NaN anywhere; these images score 0, the worst value.
    """

    intersection: Tensor
    mask_area: Tensor
    target_area: Tensor
    pixels: Tensor
    broken: Tensor

    def accuracy(self) -> Tensor:
        """1 − mean |m − g|; 1 for an image in which every pixel is void."""
        difference = self.mask_area + self.target_area - 2 * self.intersection
        return self._score(1 - difference / self.pixels.clamp(min=1))

    def f1(self) -> Tensor:
        """2 Σ m·g / (Σ m + Σ g); 1 where both mask and object are empty."""
        return self._score(self._ratio(2 * self.intersection, self.mask_area + self.target_area))

    def iou(self) -> Tensor:
        """Σ min(m, g) / Σ max(m, g); 1 where both mask and object are empty."""
        union = self.mask_area + self.target_area - self.intersection
        return self._score(self._ratio(self.intersection, union))

    def empty(self) -> Tensor:
        """(N,), true where no pixel of the object counts, so that only an empty mask is right."""
        return self.target_area.flatten() == 0

    @staticmethod
    def _ratio(part: Tensor, whole: Tensor) -> Tensor:
        empty = whole == 0
        return torch.where(empty, 1.0, part / whole.masked_fill(empty, 1))

    def _score(self, values: Tensor) -> Tensor:
        broken = self.broken if values.ndim == 1 else self.broken[:, None]
        return values.masked_fill(broken, 0)


def soft_overlap(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Overlap:
    """Overlap of masks in [0, 1] with binary objects, in one pass without a threshold.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.

    Raises:
        InputError: shapes that differ, a mask outside [0, 1], a target with values other than 0 and 1.
    """
    mask, target, valid, broken = flatten(mask, target, valid)
    if valid is not None:
        mask, target = mask.masked_fill(~valid, 0), target & valid
    sums = [_sums(mask[rows], target[rows]) for rows in blocks(mask)]
    intersection, mask_area, target_area = (torch.cat(parts) for parts in zip(*sums, strict=True))
    return Overlap(intersection, mask_area, target_area, count_pixels(mask, valid), broken)


def _sums(mask: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Σ m·g, Σ m, Σ g."""
    # Converted once, since arithmetic that mixes bool and float converts again at every step; bytes convert faster.
    inside = target.view(torch.uint8).to(mask.dtype)
    target_area = inside.sum(1)
    return inside.mul_(mask).sum(1), mask.sum(1), target_area


def blocks(mask: Tensor) -> list[slice]:
    """Rows of (N, P) that are worth computing at once: on a processor what stays in its cache, else all; at least one.

    A step over values in the cache takes a third of the time of one over fresh memory.
    """
    rows = max(1, CACHED // mask.shape[1]) if mask.device.type == "cpu" else max(1, len(mask))
    return [slice(start, start + rows) for start in range(0, max(1, len(mask)), rows)]


def count_pixels(mask: Tensor, valid: Tensor | None) -> Tensor:
    """How many pixels of each flattened mask (N, P) count, in the mask's dtype."""
    return mask.new_full((len(mask),), mask.shape[1]) if valid is None else valid.sum(1).to(mask.dtype)


def flatten(mask: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Checked inputs as (N, P) tensors with P = H·W, and which masks (N,) hold a NaN.

    Half-precision masks become float32, because their sums would overflow. A mask with a NaN becomes all zeros.
    """
    mask = floating(mask, "mask")
    target, valid = checked_regions(target, valid, like=mask)
    mask = mask.flatten(1)
    # NaN passes through amin and amax, so the two cheapest reductions find both NaN and values out of range.
    low, high = mask.amin(1), mask.amax(1)
    broken = low.isnan()
    if ((low < 0) | (high > 1)).any():
        raise InputError(
            f"mask reaches from {low.nan_to_num(0).min():.4g} to {high.nan_to_num(0).max():.4g}; scores need [0, 1]. "
            "Normalise a method's raw maps first, for example explanans.metrics.shared.normalise(maps, 'minmax')."
        )
    if broken.any():
        mask = mask.masked_fill(broken[:, None], 0)
    return mask, target.flatten(1), None if valid is None else valid.flatten(1), broken


def flatten_maps(maps: Tensor, name: str = "maps") -> tuple[Tensor, Tensor]:
    """Maps of any range as (N, P), and which of them (N,) hold a NaN or infinity; such a map becomes all zeros."""
    maps = floating(maps, name).flatten(1)
    broken = ~maps.isfinite().all(1)
    return (maps.masked_fill(broken[:, None], 0) if broken.any() else maps), broken


def floating(tensor: Tensor, name: str) -> Tensor:
    """(N, H, W), contiguous and at least float32, from floating point (N, H, W) or (N, 1, H, W)."""
    if not tensor.is_floating_point():
        raise InputError(f"{name} is {tensor.dtype}; give a floating point tensor, for example {name}.float().")
    return images(tensor, name).to(torch.promote_types(tensor.dtype, torch.float32)).contiguous()


def checked_regions(target: Tensor, valid: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor | None]:
    """Target and valid as bool (N, H, W), checked against masks of that shape."""
    target = _binary(images(target, "target"), "target")
    valid = None if valid is None else _binary(images(valid, "valid"), "valid")
    for name, other in (("target", target), ("valid", valid)):
        if other is not None and other.shape != like.shape:
            raise InputError(
                f"{name} has shape {tuple(other.shape)}, mask {tuple(like.shape)}; give both as (N, H, W) of one size."
            )
    return target, valid


def images(tensor: Tensor, name: str) -> Tensor:
    """(N, H, W) from (N, H, W) or (N, 1, H, W)."""
    if tensor.ndim == 4 and tensor.shape[1] == 1:
        tensor = tensor[:, 0]
    if tensor.ndim != 3 or 0 in tensor.shape[1:]:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; give (N, H, W) or (N, 1, H, W).")
    return tensor


def _binary(tensor: Tensor, name: str) -> Tensor:
    if tensor.dtype == torch.bool:
        return tensor
    if tensor.is_floating_point() or tensor.is_complex():
        raise InputError(f"{name} is {tensor.dtype}; give bool, or integers that are 0 or 1.")
    if ((tensor != 0) & (tensor != 1)).any():
        raise InputError(
            f"{name} has values other than 0 and 1; mark void pixels with valid=False and choose the object's pixels "
            "first, for example with explanans.metrics.label_region."
        )
    return tensor.bool()
