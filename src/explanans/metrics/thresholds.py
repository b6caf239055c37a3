"""Masks that are binarised at many thresholds against a segmentation, in one pass; the best threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.base import ImageMean
from explanans.metrics.overlap import Overlap
from explanans.metrics.ranking import ranking

PAPER_THRESHOLDS = tuple(k / 10 for k in range(1, 10))
"""0.1 … 0.9: the thresholds over which the paper averages."""

FINE_THRESHOLDS = tuple(k / 100 for k in range(1, 100))
"""0.01 … 0.99: the grid on which the best threshold is looked for."""


def binarised_overlap(
    mask: Tensor, target: Tensor, thresholds: Sequence[float] = PAPER_THRESHOLDS, valid: Tensor | None = None
) -> Overlap:
    """Overlap of the binary masks m ≥ t with the object, for every threshold t at once.

    Each image's pixels are sorted once, after which the areas above a threshold are two look-ups: the time hardly
    depends on the number of thresholds, and what is counted is exactly what ``mask >= t`` counts in the mask's dtype.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        thresholds: T strictly ascending numbers in [0, 1].
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.

    Returns:
        Areas of shape (N, T).

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`, or unusable thresholds.
    """
    values = torch.tensor([float(t) for t in thresholds], dtype=torch.promote_types(mask.dtype, torch.float32))
    if not len(values) or not (values.diff() > 0).all() or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"thresholds={list(thresholds)[:10]!r}; give strictly ascending numbers in [0, 1].")
    return ranking(mask, target, valid).overlap(values)


def binarised_f1(
    mask: Tensor, target: Tensor, thresholds: Sequence[float] = PAPER_THRESHOLDS, valid: Tensor | None = None
) -> Tensor:
    """Per-image F1 of the masks m ≥ t; higher is better.

    1 where binarised mask and object are both empty, 0 for a mask with a NaN. Arguments and errors as in
    :func:`binarised_overlap`.

    Returns:
        (N, T) in [0, 1]; the paper's number is the mean over both.
    """
    return binarised_overlap(mask, target, thresholds, valid).f1()


def binarised_iou(
    mask: Tensor, target: Tensor, thresholds: Sequence[float] = PAPER_THRESHOLDS, valid: Tensor | None = None
) -> Tensor:
    """Per-image intersection over union of the masks m ≥ t; otherwise as :func:`binarised_f1`.

    >>> import torch
    >>> binarised_iou(torch.tensor([[[0.9, 0.5]]]), torch.tensor([[[True, False]]]), thresholds=[0.4, 0.6])
    tensor([[0.5000, 1.0000]])
    """
    return binarised_overlap(mask, target, thresholds, valid).iou()


def best_threshold(scores: Tensor, thresholds: Sequence[float]) -> float:
    """The threshold with the highest mean score over the images; the lowest such threshold in a tie.

    Choose it on one split and apply it to another: on the split that is reported it flatters the method.

    Args:
        scores: (N, T), for example of :func:`binarised_iou`, or (T,) if they are already averaged.
        thresholds: the T thresholds.
    """
    if scores.ndim not in (1, 2) or scores.shape[-1] != len(thresholds) or scores.numel() == 0:
        raise InputError(
            f"scores has shape {tuple(scores.shape)} for {len(thresholds)} thresholds; give (N, T) with N ≥ 1, or (T,)."
        )
    means = scores.mean(0) if scores.ndim == 2 else scores
    if means.isnan().any():
        raise InputError("scores hold NaN; give images that cannot be scored a 0, and a metric at least one image.")
    return float(thresholds[int((means == means.max()).int().argmax())])


class _BinarisedMetric(ImageMean):
    higher_is_better: bool | None = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    score: ClassVar[Callable[[Overlap], Tensor]]

    def __init__(self, thresholds: Sequence[float] = PAPER_THRESHOLDS, **kwargs: Any) -> None:
        super().__init__(columns=len(thresholds), **kwargs)
        self.thresholds = tuple(thresholds)

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        overlap = binarised_overlap(mask, target, self.thresholds, valid)
        self.accumulate(type(self).score(overlap), overlap.broken, overlap.no_object())


class BinarisedF1(_BinarisedMetric):
    """Mean over images and thresholds of :func:`binarised_f1`; ``means()`` is it for each threshold."""

    score = Overlap.f1


class BinarisedIoU(_BinarisedMetric):
    """Mean over images and thresholds of :func:`binarised_iou`; ``means()`` is it for each threshold."""

    score = Overlap.iou


class BestThreshold(BinarisedIoU):
    """The threshold that maximises the mean IoU over the images seen (see :func:`best_threshold`); not a score.

    Args:
        thresholds: the grid to look on.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = None

    def __init__(self, thresholds: Sequence[float] = FINE_THRESHOLDS, **kwargs: Any) -> None:
        super().__init__(thresholds, **kwargs)

    def compute(self) -> Tensor:
        return torch.tensor(best_threshold(self.means(), self.thresholds), device=self.total.device)
