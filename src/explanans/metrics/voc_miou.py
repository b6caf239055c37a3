"""Mean IoU over the classes of a whole data set, as weakly supervised segmentation is measured on VOC."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from explanans.errors import InputError
from explanans.metrics.shared.base import listed
from explanans.metrics.shared.regions import label_region


def segment(masks: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """One class for each pixel: that of the labels with the highest mask, or background where none reaches t.

    Args:
        masks: (N, C, H, W), floating point in [0, 1].
        labels: (N, C) multi-hot: the classes that come into question, known ones or those that a classifier names.
        threshold: t, in [0, 1].

    Returns:
        (N, H, W) int64: 0 background, c + 1 for class c; where labels tie, the first.

    Raises:
        InputError: shapes that do not fit, masks outside [0, 1], a threshold outside [0, 1].

    >>> import torch
    >>> segment(torch.tensor([[[[0.9, 0.6, 0.1]], [[0.2, 0.7, 0.3]]]]), torch.tensor([[1, 1]]))
    tensor([[[1, 2, 0]]])
    """
    if masks.ndim != 4 or not masks.is_floating_point() or masks.shape[:2] != labels.shape:
        raise InputError(
            f"masks are {masks.dtype} {tuple(masks.shape)}, labels {tuple(labels.shape)}; give floating point "
            "(N, C, H, W) and (N, C)."
        )
    if ((masks < 0) | (masks > 1)).any() or not 0 <= threshold <= 1:
        raise InputError(f"masks or threshold={threshold} have values outside [0, 1]; normalise raw maps first.")
    # Below every threshold, so that what is no label is never chosen.
    value, index = masks.masked_fill(~labels.bool()[:, :, None, None], -1).max(1)
    return torch.where(value >= threshold, index + 1, 0)


def class_counts(prediction: Tensor, segmentation: Tensor, classes: int) -> Tensor:
    """How many pixels of each image prediction and truth have in common, and in either; void left out.

    Args:
        prediction: (N, H, W) integers: 0 background, c + 1 for class c, −1 for nothing at all.
        segmentation: (N, H, W): 0 background, c + 1 for class c, and void; uint8 or int32 as in
            :func:`explanans.metrics.label_region`.
        classes: C.

    Returns:
        (N, 2, C + 1) int64: intersections and unions, background first.
    """
    if prediction.shape != segmentation.shape:
        raise InputError(
            f"prediction {tuple(prediction.shape)} and segmentation {tuple(segmentation.shape)} differ; give both as "
            "(N, H, W)."
        )
    _, valid = label_region(segmentation, segmentation.new_zeros(len(segmentation), classes))
    truth = segmentation.long()
    # One more place takes what does not count.
    rest = classes + 1
    known = valid & (prediction >= 0)
    both = _histogram(truth.masked_fill(~known | (prediction != truth), rest), rest)
    either = _histogram(truth.masked_fill(~valid, rest), rest) + _histogram(prediction.masked_fill(~known, rest), rest)
    return torch.stack([both, either - both], 1)


def _histogram(numbers: Tensor, rest: int) -> Tensor:
    flat = numbers.long().flatten(1)
    counts = torch.zeros(len(flat), rest + 1, dtype=torch.long, device=flat.device)
    return counts.scatter_add_(1, flat, torch.ones_like(flat))[:, :rest]


def voc_miou(counts: Tensor) -> Tensor:
    """Mean over classes of the IoU over all images together: Σ intersections / Σ unions; background is a class.

    Everingham et al., "The PASCAL Visual Object Classes Challenge" (IJCV 2015); higher is better. Unlike a mean over
    images, a large object counts as much as it has pixels, and a class as much as any other. A class that neither
    truth nor prediction has anywhere is left out; NaN without an image.

    Args:
        counts: (N, 2, C + 1) of :func:`class_counts`, or their sum (2, C + 1).

    >>> import torch
    >>> voc_miou(torch.tensor([[[3, 1, 0], [4, 2, 0]]]))
    tensor(0.6250)
    """
    both, either = (counts.sum(0) if counts.ndim == 3 else counts).double()
    return (both / either)[either > 0].mean().float()


@listed("voc_miou", "mIoU (VOC)")
class VocMIoU(Metric):
    """:func:`voc_miou` over all images seen, higher is better.

    All states are sums, so the result does not depend on how the images are spread over batches or processes. An image
    with a NaN in the mask of one of its labels has no pixel right and is counted in ``nan_count``.

    Args:
        classes: C.
        threshold: as in :func:`segment`.
        kwargs: for ``torchmetrics.Metric``.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    total: Tensor
    count: Tensor
    nan_count: Tensor

    def __init__(self, classes: int, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.threshold = classes, threshold
        self.add_state("total", torch.zeros(2, classes + 1, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("nan_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, masks: Tensor, segmentation: Tensor, labels: Tensor) -> None:
        broken = (masks.flatten(2).isnan().any(2) & labels.bool()).any(1)
        prediction = segment(masks, labels, self.threshold).masked_fill(broken[:, None, None], -1)
        self.total += class_counts(prediction, segmentation, self.classes).sum(0)
        self.count += len(masks)
        self.nan_count += broken.sum()

    def compute(self) -> Tensor:
        return voc_miou(self.total)
