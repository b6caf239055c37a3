"""Masks that are binarised at many thresholds against a segmentation, in one pass; the best threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import Overlap, blocks, count_pixels, flatten

PAPER_THRESHOLDS = tuple(k / 10 for k in range(1, 10))
"""0.1 … 0.9: the thresholds over which the paper averages."""

FINE_THRESHOLDS = tuple(k / 100 for k in range(1, 100))
"""0.01 … 0.99: the grid on which the best threshold is looked for."""

MAX_BINS = 1 << 16


def binarised_overlap(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, thresholds: Sequence[float] = PAPER_THRESHOLDS
) -> Overlap:
    """Overlap of the binary masks m ≥ t with the object, for every threshold t at once.

    Each image gets one histogram of its mask inside and one outside the object; the areas above all thresholds are
    sums over the tail of a histogram. This costs O(N·H·W + N·K) time whatever the number of thresholds, K being the
    number of bins (at least 256, enough that no two thresholds share a bin), and counts exactly what ``mask >= t``
    counts in the mask's dtype.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.
        thresholds: T strictly ascending numbers in [0, 1].

    Returns:
        Areas of shape (N, T).

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`, or unusable thresholds.
    """
    mask, target, valid, broken = flatten(mask.detach(), target, valid)
    edges, positions = _bins(thresholds, mask)
    if valid is not None:
        target = target & valid
    # Counted from the top: pixels at or above the threshold of a bin are those of that bin and of all behind it.
    parts = [
        _histograms(mask[rows], target[rows], None if valid is None else ~valid[rows], edges).flip(2).cumsum(2)
        for rows in blocks(mask)
    ]
    counts = torch.cat(parts).to(mask.dtype)
    reached = counts[:, :, len(edges) - positions]
    return Overlap(
        intersection=reached[:, 1],
        mask_area=reached.sum(1),
        target_area=counts[:, 1, -1:],
        pixels=count_pixels(mask, valid)[:, None],
        broken=broken,
    )


def _histograms(mask: Tensor, target: Tensor, void: Tensor | None, edges: Tensor) -> Tensor:
    """How many background and object pixels (N, 2, K + 1) have each code.

    The code of a pixel in bin k is k + 1 where it reaches the threshold of that bin or there is none, and k where it
    does not. The bins of two thresholds differ, so the pixels that reach one are those of its code and all above.

    Args:
        mask: (N, P) in [0, 1].
        target: (N, P) bool, false on void pixels.
        void: (N, P) bool, pixels that do not count, or None.
        edges: (K,) of :func:`_bins`.
    """
    regions, width = 2 if void is None else 3, len(edges) + 1
    integer = torch.int32 if mask.dtype == torch.float32 else torch.int64
    # The number of bins is a power of two, so the product is exact and a bin holds exactly [k / bins, (k + 1) / bins).
    code = (mask * (len(edges) - 1)).to(integer)
    # The sign bit of a difference, as 0 or −1, takes a third of the time of a comparison that makes a bool tensor.
    reached = edges.index_select(0, code.flatten()).view_as(mask).sub_(mask).view(integer)
    code.sub_(reached.bitwise_right_shift_(8 * mask.element_size() - 1))
    code.add_(target.view(torch.uint8).to(integer), alpha=width)
    if void is not None:
        # A region of their own for void pixels is cheaper than taking them out.
        code.add_(void.view(torch.uint8), alpha=2 * width)
    if len(mask) > 1:
        code.add_(torch.arange(len(mask), dtype=integer, device=mask.device)[:, None] * (regions * width))
    counts = torch.bincount(code.flatten(), minlength=len(mask) * regions * width)
    return counts.view(len(mask), regions, width)[:, :2]


def _bins(thresholds: Sequence[float], like: Tensor) -> tuple[Tensor, Tensor]:
    """Float before the threshold in each bin (K,), −infinity where there is none; and the code of each threshold (T,).

    A value reaches its threshold where it lies above the float before it.
    """
    values = torch.tensor([float(t) for t in thresholds], dtype=like.dtype)
    gaps = values.diff()
    usable = len(values) > 0 and bool((gaps > 0).all()) and bool(((values >= 0) & (values <= 1)).all())
    bins = 256
    if usable and len(gaps):
        bins = max(bins, 1 << math.ceil(math.log2(1 / gaps.min().item())))
    if not usable or bins > MAX_BINS:
        raise InputError(
            f"thresholds={list(thresholds)[:10]!r}; give strictly ascending numbers in [0, 1] that are at least "
            f"1/{MAX_BINS} apart."
        )
    bucket = (values * bins).long()
    edges = torch.full((bins + 1,), -math.inf, dtype=like.dtype)
    edges[bucket] = values.nextafter(edges[:1])
    return edges.to(like.device), (bucket + 1).to(like.device)


def binarised_f1(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, thresholds: Sequence[float] = PAPER_THRESHOLDS
) -> Tensor:
    """Per-image F1 of the masks m ≥ t; higher is better.

    1 where binarised mask and object are both empty, 0 for a mask with a NaN. Arguments and errors as in
    :func:`binarised_overlap`.

    Returns:
        (N, T) in [0, 1]; the paper's number is the mean over both.
    """
    return binarised_overlap(mask, target, valid, thresholds).f1()


def binarised_iou(
    mask: Tensor, target: Tensor, valid: Tensor | None = None, thresholds: Sequence[float] = PAPER_THRESHOLDS
) -> Tensor:
    """Per-image intersection over union of the masks m ≥ t; otherwise as :func:`binarised_f1`.

    >>> import torch
    >>> binarised_iou(torch.tensor([[[0.9, 0.5]]]), torch.tensor([[[True, False]]]), thresholds=[0.4, 0.6])
    tensor([[0.5000, 1.0000]])
    """
    return binarised_overlap(mask, target, valid, thresholds).iou()


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


class _BinarisedMetric(ShareMean):
    higher_is_better: bool | None = True
    score: ClassVar[Callable[[Overlap], Tensor]]

    def __init__(self, thresholds: Sequence[float] = PAPER_THRESHOLDS, **kwargs: Any) -> None:
        super().__init__(columns=len(thresholds), **kwargs)
        self.thresholds = tuple(thresholds)

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        overlap = binarised_overlap(mask, target, valid, self.thresholds)
        self.accumulate(type(self).score(overlap), overlap.broken, overlap.empty())


@listed("binarised_f1", "F1 (0.1…0.9)")
class BinarisedF1(_BinarisedMetric):
    """Mean over images and thresholds of :func:`binarised_f1`; ``means()`` is it for each threshold."""

    score = Overlap.f1


@listed("binarised_iou", "IoU (0.1…0.9)")
class BinarisedIoU(_BinarisedMetric):
    """Mean over images and thresholds of :func:`binarised_iou`; ``means()`` is it for each threshold."""

    score = Overlap.iou


@listed("best_threshold", "best threshold")
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
