"""Max-sensitivity: how much a map changes when the image changes by less than one sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.asking import check_images
from explanans.metrics.shared.base import ImageMean, listed
from explanans.metrics.shared.overlap import flatten_maps

LIMIT = 10.0
"""A change by ten times the map's own size is as bad as any larger one."""

Explain = Callable[[Tensor], Tensor]
"""Normalised images (N, 3, H, W) → maps (N, H, W), each of the class that the image's map explains."""


def max_sensitivity(
    explain: Explain,
    images: Tensor,
    maps: Tensor,
    radius: float = 0.02,
    samples: int = 10,
    generator: torch.Generator | None = None,
) -> Tensor:
    """max over random δ, |δ| ≤ radius per value, of ‖E(x + δ) − E(x)‖₂ / ‖E(x)‖₂, per image.

    Yeh et al., "On the (In)fidelity and Sensitivity of Explanations" (NeurIPS 2019), estimated from uniform draws and
    relative to the map's norm as in captum, so that methods of different scales compare. Lower is better. Values are
    cut at 10: a map with a NaN or infinity, on the image or on a neighbour of it, gets that, and so does an empty map
    that does not stay empty; an empty map that stays empty gets 0.

    Args:
        explain: images → maps of the same kind as ``maps``; called ``samples`` times.
        images: normalised, (N, 3, H, W).
        maps: E(x), (N, H, W) or (N, 1, H, W), floating point of any range.
        radius: largest change of a value, on the normalised scale.
        samples: draws for each image.
        generator: on the images' device.

    Returns:
        (N,) in [0, 10].

    Raises:
        InputError: shapes that do not fit, no sample, a negative radius.
    """
    return _sensitivity(explain, images, maps, radius, samples, generator)[0]


def _sensitivity(
    explain: Explain, images: Tensor, maps: Tensor, radius: float, samples: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    if samples < 1 or radius < 0:
        raise InputError(f"samples={samples}, radius={radius}; give at least one sample and a radius of at least 0.")
    original, broken = flatten_maps(maps.detach())
    shape = tuple(images.shape)
    check_images(images, {"maps": (original, (shape[0], shape[2] * shape[3]))})
    largest = original.new_zeros(len(original))
    for _ in range(samples):
        noise = torch.empty_like(images).uniform_(-radius, radius, generator=generator)
        changed, failed = flatten_maps(explain(images + noise).detach(), "the maps that explain returned")
        if changed.shape != original.shape:
            raise InputError(f"explain returned {tuple(changed.shape)} values; give maps like {tuple(maps.shape)}.")
        largest = torch.maximum(largest, _norm(changed - original))
        broken = broken | failed
    norm = _norm(original)
    relative = torch.where(largest == 0, 0, largest / norm).clamp(max=LIMIT)
    return relative.masked_fill(broken, LIMIT), broken, norm == 0


def _norm(rows: Tensor) -> Tensor:
    # Divided by the largest value first: gradients of a saturated classifier are so small that their squares vanish.
    largest = rows.abs().amax(1)
    return largest * (rows / largest.masked_fill(largest == 0, 1)[:, None]).norm(dim=1)


@listed("max_sensitivity", "max-sensitivity")
class MaxSensitivity(ImageMean):
    """Mean over images of :func:`max_sensitivity`; lower is better.

    Args:
        radius, samples: as there.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = False
    worst = LIMIT
    plot_lower_bound = 0.0

    def __init__(self, radius: float = 0.02, samples: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.radius, self.samples = radius, samples

    def update(self, explain: Explain, images: Tensor, maps: Tensor, generator: torch.Generator | None = None) -> None:
        self.accumulate(*_sensitivity(explain, images, maps, self.radius, self.samples, generator))
