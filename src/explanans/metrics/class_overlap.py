"""Each label's mask against its own region: what the union of the labels does not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import Overlap, soft_overlap
from explanans.metrics.shared.regions import class_regions
from explanans.metrics.thresholds import PAPER_THRESHOLDS, binarised_overlap


def class_iou(masks: Tensor, segmentation: Tensor, labels: Tensor) -> Tensor:
    """Per-image mean over its label classes of the soft IoU of the class's mask with the class's own region.

    Where a photo has several labels, their merged mask may match the union of their regions though each of them covers
    the others' objects; this is what it costs there. On a photo with one label it is
    :func:`explanans.metrics.soft_iou`. Higher is better. A label without a pixel in the segmentation gets 1 for an
    empty mask and 0 for any other; an image with a NaN in the mask of a label gets 0.

    Args:
        masks: (N, C, H, W), floating point in [0, 1]; those of classes that are no label are not looked at.
        segmentation: (N, H, W): 0 background, c + 1 for class c, and void; uint8 or int32 as in
            :func:`explanans.metrics.label_region`.
        labels: (N, C) multi-hot; each image needs at least one label.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: shapes or types that do not fit, a mask outside [0, 1], an image without a label.

    >>> import torch
    >>> masks = torch.tensor([[[[1.0, 1.0]], [[1.0, 1.0]]]])
    >>> class_iou(masks, torch.tensor([[[1, 2]]], dtype=torch.uint8), torch.tensor([[1, 1]]))
    tensor([0.5000])
    """
    return _soft(masks, segmentation, labels)[0]


def binarised_class_iou(
    masks: Tensor, segmentation: Tensor, labels: Tensor, thresholds: Sequence[float] = PAPER_THRESHOLDS
) -> Tensor:
    """As :func:`class_iou` of the masks S_c ≥ t, for every threshold t at once.

    Args:
        thresholds: T strictly ascending numbers in [0, 1].

    Returns:
        (N, T) in [0, 1].
    """
    return _binarised(masks, segmentation, labels, thresholds)[0]


def _soft(masks: Tensor, segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _over_labels(labels, soft_overlap(*_pairs(masks, segmentation, labels)))


def _binarised(
    masks: Tensor, segmentation: Tensor, labels: Tensor, thresholds: Sequence[float]
) -> tuple[Tensor, Tensor, Tensor]:
    return _over_labels(labels, binarised_overlap(*_pairs(masks, segmentation, labels), thresholds))


def _pairs(masks: Tensor, segmentation: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, region and validity, each (P, H, W), of every pair of an image and a label of it, in their order."""
    if masks.ndim != 4 or masks.shape[:2] != labels.shape or masks.shape[2:] != segmentation.shape[1:]:
        raise InputError(
            f"masks {tuple(masks.shape)}, segmentation {tuple(segmentation.shape)} and labels {tuple(labels.shape)} do "
            "not fit; give (N, C, H, W), (N, H, W) and (N, C)."
        )
    if not labels.bool().any(1).all():
        raise InputError("labels: an image has none, and the metric is not defined for it; leave such images out.")
    target, valid = class_regions(segmentation, labels)
    return masks[labels.bool()], target, valid


def _over_labels(labels: Tensor, overlap: Overlap) -> tuple[Tensor, Tensor, Tensor]:
    """Per image the mean IoU of its pairs, whether one is broken, and whether none has a region."""
    image = labels.bool().nonzero()[:, 0]
    scores = overlap.iou()
    total = scores.new_zeros(len(labels), *scores.shape[1:]).index_add_(0, image, scores)
    count = labels.bool().sum(1)
    broken = torch.zeros_like(count).index_add_(0, image, overlap.broken.to(count.dtype)) > 0
    empty = torch.zeros_like(count).index_add_(0, image, overlap.empty().to(count.dtype)) == count
    per_image = broken.view(-1, *[1] * (scores.ndim - 1))
    return (total / count.view_as(per_image)).masked_fill(per_image, 0), broken, empty


@listed("class_iou", "IoU per class (soft)")
class ClassIoU(ShareMean):
    """Mean over images of :func:`class_iou`; higher is better."""

    higher_is_better = True

    def update(self, masks: Tensor, segmentation: Tensor, labels: Tensor) -> None:
        self.accumulate(*_soft(masks, segmentation, labels))


@listed("binarised_class_iou", "IoU per class (0.1…0.9)")
class BinarisedClassIoU(ShareMean):
    """Mean over images and thresholds of :func:`binarised_class_iou`; ``means()`` is it for each threshold."""

    higher_is_better = True

    def __init__(self, thresholds: Sequence[float] = PAPER_THRESHOLDS, **kwargs: Any) -> None:
        super().__init__(columns=len(thresholds), **kwargs)
        self.thresholds = tuple(thresholds)

    def update(self, masks: Tensor, segmentation: Tensor, labels: Tensor) -> None:
        self.accumulate(*_binarised(masks, segmentation, labels, self.thresholds))
