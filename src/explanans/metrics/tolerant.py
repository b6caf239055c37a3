"""Precision, recall and F1 of thin things, where a mask may be some pixels beside the object."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import flatten
from explanans.ops.nearness import near

TOLERANCE = 2
"""Pixels: usual for cracks, whose borders no two people draw alike."""


def tolerant_scores(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.5, tolerance: int = TOLERANCE
) -> tuple[Tensor, Tensor, Tensor]:
    """Per-image precision, recall and F1 of the binary mask m ≥ t with a tolerance (Zou et al., "CrackTree", 2012).

    Precision is the share of the mask's pixels within a disc of radius ``tolerance`` around a pixel of the object,
    recall the share of the object's pixels so near the mask, F1 their harmonic mean. Where neither has a pixel all are
    1; where one has none its share is 0, as is F1; and 0 for a mask with a NaN. Void pixels belong to neither. Higher
    is better.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.
        threshold: where the mask is cut, in [0, 1].
        tolerance: in pixels; 0 compares pixel by pixel.

    Returns:
        precision, recall, F1, each (N,) in [0, 1].

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`; a threshold outside [0, 1], a tolerance below 0.

    >>> import torch
    >>> row = torch.tensor([[[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]]])
    >>> tolerant_scores(row, torch.tensor([[[False, True, True, False, False, False]]]), tolerance=1)
    (tensor([0.3333]), tensor([0.5000]), tensor([0.4000]))
    """
    return _scores(mask, target, valid, threshold, tolerance)[0]


def tolerant_f1(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, threshold: float = 0.5, tolerance: int = TOLERANCE
) -> Tensor:
    """The F1 of :func:`tolerant_scores`, (N,)."""
    return tolerant_scores(mask, target, valid, threshold, tolerance)[2]


def _scores(
    mask: Tensor, target: Tensor, valid: Tensor | None, threshold: float, tolerance: int
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
    """And which images are broken, which have no object."""
    if not 0 <= threshold <= 1 or tolerance < 0:
        raise InputError(f"threshold={threshold}, tolerance={tolerance}; give a threshold in [0, 1] and pixels from 0.")
    size = mask.shape[-2:]
    flat, objects, known, broken = flatten(mask.detach(), target, valid)
    found = flat >= threshold
    if known is not None:
        found, objects = found & known, objects & known
    found, truth = (each.view(-1, *size) for each in (found, objects))
    counts = [each.sum((1, 2)) for each in (found, truth)]
    precision, recall = (
        (one & near(other, tolerance)).sum((1, 2)) / count.clamp(min=1)
        for one, other, count in ((found, truth, counts[0]), (truth, found, counts[1]))
    )
    f1 = 2 * precision * recall / (precision + recall).clamp(min=torch.finfo(precision.dtype).tiny)
    none = (counts[0] == 0) & (counts[1] == 0)
    scores = tuple(torch.where(none, 1.0, value).masked_fill(broken, 0) for value in (precision, recall, f1))
    return (scores[0], scores[1], scores[2]), broken, counts[1] == 0


@listed("tolerant_f1", "F1 within 2 px")
class TolerantF1(ShareMean):
    """Mean over images of :func:`tolerant_f1`; higher is better.

    Args:
        threshold, tolerance: as in :func:`tolerant_scores`.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = True

    def __init__(self, threshold: float = 0.5, tolerance: int = TOLERANCE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold, self.tolerance = threshold, tolerance

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        scores, broken, empty = _scores(mask, target, valid, self.threshold, self.tolerance)
        self.accumulate(scores[2], broken, empty)
