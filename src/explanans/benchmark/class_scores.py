"""Scores that look at classes one by one and at outlines: what the union of the labels does not see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from explanans import metrics
from explanans.classifiers.explanandum import Activation
from explanans.metrics.shared.regions import renumbered

CUT = 0.5
"""Where a mask is cut whose best threshold nobody has chosen."""


def named_classes(probabilities: Tensor, activation: Activation, background: Sequence[int] = ()) -> Tensor:
    """The classes (N, C) bool that a classifier names: all from ½ on, or under softmax the most probable.

    Those at the positions ``background`` are nothing to be found, and named for nobody.
    """
    if activation == "sigmoid":
        named = probabilities >= 0.5
    else:
        named = functional.one_hot(probabilities.argmax(1), probabilities.shape[1]).bool()
    named[:, list(background)] = False
    return named


def class_scores(
    masks: Tensor,
    segmentation: Tensor,
    labels: Tensor,
    thresholds: tuple[float, ...],
    threshold: float | None,
    columns: Tensor | None = None,
    classes: int | None = None,
) -> dict[str, Tensor]:
    """Each label against its own region, and the pixel counts of ``voc_miou`` with the labels known.

    Args:
        masks: (N, C, H, W), segmentation (N, H, W), labels (N, C).
        thresholds: a fine grid, which holds the paper's and ``threshold``.
        threshold: the method's best, where one was chosen.
        columns: (K,), the classes that masks and labels are of, out of the segmentation's ``classes``; None for all.
    """
    own = segmentation if columns is None else renumbered(segmentation, columns, classes or len(columns))
    binary = metrics.binarised_class_iou(masks, own, labels, thresholds)
    paper = [thresholds.index(t) for t in metrics.PAPER_THRESHOLDS]
    scores = {
        "class_iou_soft": metrics.class_iou(masks, own, labels),
        "class_iou_mean": binary[:, paper].mean(1),
        "voc_counts": voc_counts(masks, segmentation, labels, threshold, columns, classes),
    }
    if threshold is not None:
        scores["class_iou_best"] = binary[:, thresholds.index(threshold)]
    return scores


def voc_counts(
    masks: Tensor,
    segmentation: Tensor,
    labels: Tensor,
    threshold: float | None,
    columns: Tensor | None = None,
    classes: int | None = None,
) -> Tensor:
    """Intersections and unions of :func:`explanans.metrics.class_counts`, (N, 2 (C + 1)); NaN for a mask with a NaN.

    They are of all classes, those that no mask is of too: what is there and not found is missed.
    """
    found = metrics.segment(masks, labels, CUT if threshold is None else threshold)
    if columns is not None:
        found = functional.pad(columns + 1, (1, 0))[found]
    counts = metrics.class_counts(found, segmentation, classes or labels.shape[1]).flatten(1).double()
    broken = (masks.flatten(2).isnan().any(2) & labels).any(1)
    return counts.masked_fill(broken[:, None], torch.nan)


def nothing_right(segmentation: Tensor, classes: int) -> Tensor:
    """What an image without a map adds to these counts: all that is there is missed."""
    nothing = torch.full_like(segmentation, -1, dtype=torch.long)
    return metrics.class_counts(nothing, segmentation, classes).flatten(1).double()


def boundary_scores(mask: Tensor, target: Tensor, valid: Tensor | None, threshold: float | None) -> dict[str, Tensor]:
    cut = CUT if threshold is None else threshold
    return {
        "boundary_iou": metrics.boundary_iou(mask, target, valid, cut),
        "boundary_f1_1": metrics.boundary_f1(mask, target, valid, cut, width=0.01),
        "boundary_f1_2": metrics.boundary_f1(mask, target, valid, cut, width=0.02),
    }


def object_area(target: Tensor, valid: Tensor) -> Tensor:
    """The labels' share of the pixels that are not void, (N,)."""
    counted = valid.flatten(1).sum(1)
    return (target & valid).flatten(1).sum(1).double() / counted.clamp(min=1)
