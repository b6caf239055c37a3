"""Soft masks against a segmentation: accuracy, F1 and IoU without a threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import Overlap, soft_overlap


def soft_accuracy(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image accuracy of a soft mask, 1 − mean |m − g| over the pixels that are not void.

    Higher is better. 1 for an image in which every pixel is void, 0 for a mask with a NaN.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: shapes that differ, a mask outside [0, 1], a target with values other than 0 and 1.

    >>> import torch
    >>> soft_accuracy(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[True, False]]]))
    tensor([0.7500])
    """
    return soft_overlap(mask, target, valid).accuracy()


def soft_f1(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image F1 (Dice) of a soft mask, 2 Σ m·g / (Σ m + Σ g).

    Higher is better. 1 where mask and object are both empty, 0 for a mask with a NaN. Arguments, result and errors as
    in :func:`soft_accuracy`.

    >>> import torch
    >>> soft_f1(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[True, False]]]))
    tensor([0.8000])
    """
    return soft_overlap(mask, target, valid).f1()


def soft_iou(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image intersection over union of a soft mask, Σ min(m, g) / Σ max(m, g).

    Higher is better. 1 where mask and object are both empty, 0 for a mask with a NaN. Arguments, result and errors as
    in :func:`soft_accuracy`.

    >>> import torch
    >>> soft_iou(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[True, False]]]))
    tensor([0.6667])
    """
    return soft_overlap(mask, target, valid).iou()


class _SoftMetric(ShareMean):
    higher_is_better = True
    score: ClassVar[Callable[[Overlap], Tensor]]

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        overlap = soft_overlap(mask, target, valid)
        self.accumulate(type(self).score(overlap), overlap.broken, overlap.empty())


@listed("soft_accuracy", "accuracy (soft)")
class SoftAccuracy(_SoftMetric):
    """Mean over images of :func:`soft_accuracy`; higher is better."""

    score = Overlap.accuracy


@listed("soft_f1", "F1 (soft)")
class SoftF1(_SoftMetric):
    """Mean over images of :func:`soft_f1`; higher is better."""

    score = Overlap.f1


@listed("soft_iou", "IoU (soft)")
class SoftIoU(_SoftMetric):
    """Mean over images of :func:`soft_iou`; higher is better."""

    score = Overlap.iou
