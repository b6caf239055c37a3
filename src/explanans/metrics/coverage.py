"""How much of the object, of the background and of the whole image a mask covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import Overlap, count_pixels, flatten, soft_overlap


def object_coverage(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image share of the object that a soft mask covers, Σ m·g / Σ g: its recall (Stalder et al. 2022).

    Higher is better, and means nothing without :func:`background_coverage`: the full mask covers everything. 1 where
    there is no object, because nothing is missed; 0 for a mask with a NaN. Arguments and errors as in
    :func:`explanans.metrics.soft_accuracy`.

    Returns:
        (N,) in [0, 1].

    >>> import torch
    >>> object_coverage(torch.tensor([[[1.0, 0.5, 0.2]]]), torch.tensor([[[True, True, False]]]))
    tensor([0.7500])
    """
    return _object(soft_overlap(mask, target, valid))


def background_coverage(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image share of the background that a soft mask covers, Σ m·(1 − g) / Σ (1 − g): its fall-out.

    Lower is better (Stalder et al. 2022). 0 where there is no background, because nothing is covered in vain; 1 for a
    mask with a NaN. Arguments and errors as in :func:`explanans.metrics.soft_accuracy`.

    Returns:
        (N,) in [0, 1].

    >>> import torch
    >>> background_coverage(torch.tensor([[[1.0, 0.5, 0.2]]]), torch.tensor([[[True, True, False]]]))
    tensor([0.2000])
    """
    return _background(soft_overlap(mask, target, valid))


def mask_area(mask: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image mean of a soft mask over the pixels that are not void: the size of the explanation.

    Of two masks that keep the same evidence the smaller one says more, hence lower is better; alone it says nothing.
    0 for an image in which every pixel is void, 1 for a mask with a NaN.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`.

    >>> import torch
    >>> mask_area(torch.tensor([[[1.0, 0.5, 0.0, 0.0]]]))
    tensor([0.3750])
    """
    return _area(mask, valid)[0]


def _object(overlap: Overlap) -> Tensor:
    nothing = overlap.target_area == 0
    share = overlap.intersection / overlap.target_area.masked_fill(nothing, 1)
    return share.masked_fill(nothing, 1).masked_fill(overlap.broken, 0)


def _background(overlap: Overlap) -> Tensor:
    size = overlap.pixels - overlap.target_area
    nothing = size == 0
    # A difference of two sums that are equal but for rounding must not come out below 0.
    covered = (overlap.mask_area - overlap.intersection).clamp(min=0)
    return (covered / size.masked_fill(nothing, 1)).masked_fill(nothing, 0).masked_fill(overlap.broken, 1)


def _area(mask: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    mask, _, valid, broken = flatten(mask, torch.ones_like(mask, dtype=torch.bool), valid)
    pixels = count_pixels(mask, valid)
    mask = mask if valid is None else mask.masked_fill(~valid, 0)
    return (mask.sum(1) / pixels.clamp(min=1)).masked_fill(broken, 1), broken, pixels == 0


def _no_background(overlap: Overlap) -> Tensor:
    return overlap.pixels == overlap.target_area


class _CoverageMetric(ShareMean):
    score: ClassVar[Callable[[Overlap], Tensor]]
    nothing: ClassVar[Callable[[Overlap], Tensor]]

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        overlap = soft_overlap(mask, target, valid)
        self.accumulate(type(self).score(overlap), overlap.broken, type(self).nothing(overlap))


@listed("object_coverage", "object covered")
class ObjectCoverage(_CoverageMetric):
    """Mean over images of :func:`object_coverage`; higher is better."""

    higher_is_better = True
    score = _object
    nothing = Overlap.empty


@listed("background_coverage", "background covered")
class BackgroundCoverage(_CoverageMetric):
    """Mean over images of :func:`background_coverage`; lower is better."""

    higher_is_better = False
    score = _background
    nothing = _no_background


@listed("mask_area", "area")
class MaskArea(ShareMean):
    """Mean over images of :func:`mask_area`; lower is better at equal evidence."""

    higher_is_better = False

    def update(self, mask: Tensor, valid: Tensor | None = None) -> None:
        self.accumulate(*_area(mask, valid))
