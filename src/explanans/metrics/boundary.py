"""How well a mask follows the outline of an object: boundary IoU and boundary F1."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import flatten
from explanans.ops.nearness import near, rim

WIDTH = 0.02
"""Of the band along an outline, as a share of the picture's diagonal: the 2 % of Cheng et al."""


def boundary_iou(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.5, width: float = WIDTH
) -> Tensor:
    """Per-image IoU of two bands: the pixels of mask and object that lie close to their own outlines.

    Cheng et al., "Boundary IoU" (CVPR 2021): |P_d ∩ G_d| / |P_d ∪ G_d|, P_d being the pixels of the binary mask m ≥ t
    at most d inside it and G_d those of the object, d = ``width`` times the diagonal, rounded, at least 1. As there, d
    counts steps along rows, columns and diagonals, and the picture's edge is an outline. A mask that covers too much,
    or a large object coarsely, has nothing there. Higher is better. 1 where neither has a band that counts, 0 for a
    mask with a NaN.

    Void pixels have no band, and take the mask's side: an outline is neither right nor wrong where it runs through
    them.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.
        threshold: where the mask is cut, in [0, 1].
        width: of the band, a share of the diagonal.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`; a threshold outside [0, 1], a width that is not above 0.

    >>> import torch
    >>> row = torch.tensor([[[1.0, 1.0, 1.0, 0.0, 0.0]]])
    >>> boundary_iou(row, torch.tensor([[[True, True, False, False, False]]]))
    tensor([0.6667])
    """
    return _iou(mask, target, valid, threshold, width)[0]


def boundary_f1(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.5, width: float = WIDTH
) -> Tensor:
    """Per-image F1 of two outlines: how much of each lies within a distance of the other.

    Csurka et al., "What is a good evaluation measure for semantic segmentation?" (BMVC 2013): precision is the share of
    the outline of the binary mask m ≥ t that lies within a disc of radius ``width`` times the diagonal (rounded, at
    least 1) around the object's outline, recall the share of the object's near the mask's. An outline is what of a
    region touches something else; the picture's edge is none. Higher is better. 1 where neither has an outline, 0
    where one has none, and for a mask with a NaN. Void pixels as in :func:`boundary_iou`, which has the arguments and
    errors too; outlines through void pixels are those of both.

    Returns:
        (N,) in [0, 1].

    >>> import torch
    >>> row = torch.tensor([[[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]]])
    >>> boundary_f1(row, torch.tensor([[[True, True, True, False, False, False]]]))
    tensor([1.])
    >>> boundary_f1(row, torch.tensor([[[True, False, False, False, False, False]]]))
    tensor([0.])
    """
    return _f1(mask, target, valid, threshold, width)[0]


def _iou(
    mask: Tensor, target: Tensor, valid: Tensor | None, threshold: float, width: float
) -> tuple[Tensor, Tensor, Tensor]:
    found, truth, void, distance, broken, empty = _regions(mask, target, valid, threshold, width)
    bands = [rim(region, distance, frame=True) & ~void for region in (found, truth)]
    both, either = (bands[0] & bands[1]).sum((1, 2)), (bands[0] | bands[1]).sum((1, 2))
    values = torch.where(either == 0, 1.0, both / either.clamp(min=1))
    return values.masked_fill(broken, 0), broken, empty


def _f1(
    mask: Tensor, target: Tensor, valid: Tensor | None, threshold: float, width: float
) -> tuple[Tensor, Tensor, Tensor]:
    found, truth, _, distance, broken, empty = _regions(mask, target, valid, threshold, width)
    outlines = [rim(region, 1, frame=False) for region in (found, truth)]
    one, other = (
        (outline & near(goal, distance)).sum((1, 2)) / outline.sum((1, 2)).clamp(min=1)
        for outline, goal in (outlines, outlines[::-1])
    )
    none = ~(outlines[0] | outlines[1]).flatten(1).any(1)
    values = torch.where(none, 1.0, 2 * one * other / (one + other).clamp(min=torch.finfo(one.dtype).tiny))
    return values.masked_fill(broken, 0), broken, empty


def _regions(
    mask: Tensor, target: Tensor, valid: Tensor | None, threshold: float, width: float
) -> tuple[Tensor, Tensor, Tensor, int, Tensor, Tensor]:
    """Mask, object and void as (N, H, W) bool, the distance in pixels, and which images are broken, which empty."""
    if not 0 <= threshold <= 1 or not width > 0:
        raise InputError(f"threshold={threshold}, width={width}; give a threshold in [0, 1] and a width above 0.")
    size = mask.shape[-2:]
    flat, objects, known, broken = flatten(mask.detach(), target, valid)
    found = flat >= threshold
    void = torch.zeros_like(found) if known is None else ~known
    empty = ~(objects & ~void).any(1)
    truth = torch.where(void, found, objects)
    distance = max(1, round(width * math.hypot(*size)))
    found, truth, void = (each.view(-1, *size) for each in (found, truth, void))
    return found, truth, void, distance, broken, empty


class _BoundaryMetric(ShareMean):
    """
    Args:
        threshold, width: as in :func:`boundary_iou`.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = True

    def __init__(self, threshold: float = 0.5, width: float = WIDTH, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold, self.width = threshold, width


@listed("boundary_iou", "boundary IoU")
class BoundaryIoU(_BoundaryMetric):
    """Mean over images of :func:`boundary_iou`; higher is better."""

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        self.accumulate(*_iou(mask, target, valid, self.threshold, self.width))


@listed("boundary_f1", "boundary F1")
class BoundaryF1(_BoundaryMetric):
    """Mean over images of :func:`boundary_f1`; higher is better."""

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        self.accumulate(*_f1(mask, target, valid, self.threshold, self.width))
