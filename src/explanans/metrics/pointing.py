"""Where a map points: its maximum (pointing game) and its energy (energy-based pointing game)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import checked_regions, flatten_maps, floating
from explanans.ops.nearness import near


def pointing_game(maps: Tensor, target: Tensor, valid: Tensor | None = None, tolerance: int = 15) -> Tensor:
    """1 where the map's maximum lies on the object or within ``tolerance`` pixels of it, else 0, per image.

    Zhang et al., "Top-Down Neural Attention by Excitation Backprop" (ECCV 2016), who give 15 pixels of tolerance at the
    pictures' own size. Higher is better. Where several pixels share the maximum, the value is the share of them that
    hit, so that a constant map gets what a blind guess gets and a saturated mask is not judged by its first pixel.
    Void pixels neither point nor are hit. 0 where there is no object to hit, and for a map with a NaN or infinity.

    Args:
        maps: (N, H, W) or (N, 1, H, W), floating point of any range: only the order of the values counts.
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void; None counts all.
        tolerance: radius of the disc in pixels, 0 for exact hits.

    Returns:
        (N,) in [0, 1]; 0 or 1 where the maximum is unique.

    Raises:
        InputError: shapes that differ, a target with values other than 0 and 1, a negative tolerance.

    >>> import torch
    >>> pointing_game(torch.tensor([[[0.1, 0.9, 0.2]]]), torch.tensor([[[False, False, True]]]), tolerance=0)
    tensor([0.])
    >>> pointing_game(torch.tensor([[[0.1, 0.9, 0.2]]]), torch.tensor([[[False, False, True]]]), tolerance=1)
    tensor([1.])
    """
    return _pointing(maps, target, valid, tolerance)[0]


def _pointing(maps: Tensor, target: Tensor, valid: Tensor | None, tolerance: int) -> tuple[Tensor, Tensor, Tensor]:
    if tolerance < 0:
        raise InputError(f"tolerance={tolerance}; give a radius in pixels, 0 for exact hits.")
    maps = floating(maps.detach(), "maps")
    target, valid = checked_regions(target, valid, like=maps)
    flat, broken = flatten_maps(maps)
    if valid is not None:
        target = target & valid
        flat = flat.masked_fill(~valid.flatten(1), -math.inf)
    peaks = (flat == flat.amax(1, keepdim=True)).view_as(maps)
    if valid is not None:
        peaks &= valid
    count = peaks.sum((1, 2)).clamp(min=1)
    hit = (peaks & near(target, tolerance)).sum((1, 2))
    return (hit.to(maps.dtype) / count).masked_fill(broken, 0), broken, ~target.any(2).any(1)


def energy_pointing_game(maps: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image share of the map's positive energy that lies on the object, Σ_{object} L / Σ_{image} L.

    Wang et al., "Score-CAM" (CVPR Workshops 2020); their maps are non-negative, and here negative values count as 0.
    Higher is better; a constant positive map gets the object's share of the image, which is chance. Void pixels count
    in neither sum. 0 for a map without positive energy, where there is no object, and for a map with a NaN or infinity.

    Args:
        maps: (N, H, W) or (N, 1, H, W), floating point; scale does not matter, zero does.
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void; None counts all.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: shapes that differ, a target with values other than 0 and 1.

    >>> import torch
    >>> energy_pointing_game(torch.tensor([[[3.0, 1.0, -2.0]]]), torch.tensor([[[True, False, False]]]))
    tensor([0.7500])
    """
    return _energy(maps, target, valid)[0]


def _energy(maps: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    maps = floating(maps, "maps")
    target, valid = checked_regions(target, valid, like=maps)
    energy, broken = flatten_maps(maps)
    energy = energy.clamp(min=0)
    if valid is not None:
        energy = energy.masked_fill(~valid.flatten(1), 0)
        target = target & valid
    # The largest value becomes 1, so that neither sum overflows or vanishes.
    energy = energy / energy.amax(1, keepdim=True).clamp(min=torch.finfo(energy.dtype).tiny)
    total = energy.sum(1)
    nothing = total == 0
    inside = (energy * target.flatten(1)).sum(1)
    share = (inside / total.masked_fill(nothing, 1)).clamp(max=1)
    return share.masked_fill(broken, 0), broken, nothing | ~target.flatten(1).any(1)


@listed("pointing_game", "pointing game")
class PointingGame(ShareMean):
    """Mean over images of :func:`pointing_game`; higher is better.

    Args:
        tolerance: radius of the disc in pixels.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = True

    def __init__(self, tolerance: int = 15, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tolerance = tolerance

    def update(self, maps: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        self.accumulate(*_pointing(maps, target, valid, self.tolerance))


@listed("energy_pointing_game", "energy-based pointing game")
class EnergyPointingGame(ShareMean):
    """Mean over images of :func:`energy_pointing_game`; higher is better."""

    higher_is_better = True

    def update(self, maps: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        self.accumulate(*_energy(maps, target, valid))
