"""The saliency metric of Dabkowski & Gal, adapted to a mask: small area, and the classifier still sees the labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.base import ImageMean, listed
from explanans.metrics.shared.overlap import images

MIN_AREA = 0.05
MIN_PROBABILITY = 1e-6


def saliency_metric(mask: Tensor, probabilities: Tensor, labels: Tensor) -> Tensor:
    """log(max(mean(m), 0.05)) − log(Σ over c in Y of p_c), natural logarithms, per image; lower is better.

    Dabkowski & Gal (NeurIPS 2017) measure a crop; Stalder et al. (NeurIPS 2022) put the mask's mean in place of the
    crop's area. Y is the set of label *classes*: three instances of a class count once. The sum of probabilities is
    clipped to at least 1e-6, so the value lies in [log 0.05 − log C, −log 1e-6]; an image whose mask or probabilities
    hold a NaN gets the upper end, the worst value.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        probabilities: (N, C), the classifier's answer to the *masked* image, sigmoid or softmax as it was trained.
        labels: (N, C) multi-hot; each image needs at least one label.

    Returns:
        (N,).

    Raises:
        InputError: shapes that do not fit, an image without a label, values outside [0, 1].
    """
    return _saliency(mask, probabilities, labels)[0]


def _saliency(mask: Tensor, probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    area = images(mask, "mask").float().mean((1, 2))
    if probabilities.ndim != 2 or probabilities.shape != labels.shape or len(probabilities) != len(area):
        raise InputError(
            f"probabilities {tuple(probabilities.shape)}, labels {tuple(labels.shape)} and {len(area)} masks do not "
            "fit; give (N, C), (N, C) and N masks."
        )
    present = labels.bool()
    if not present.any(1).all():
        raise InputError("labels: an image has none, and the metric is not defined for it; leave such images out.")
    for name, tensor in (("mask", mask), ("probabilities", probabilities)):
        if ((tensor < 0) | (tensor > 1)).any():
            raise InputError(f"{name} has values outside [0, 1]; normalise maps and activate logits first.")
    evidence = probabilities.float().masked_fill(~present, 0).sum(1)
    broken = area.isnan() | evidence.isnan()
    values = area.clamp(min=MIN_AREA).log() - evidence.clamp(min=MIN_PROBABILITY).log()
    return torch.where(broken, -math.log(MIN_PROBABILITY), values), broken


@listed("saliency_metric", "saliency metric")
class SaliencyMetric(ImageMean):
    """Mean over images of :func:`saliency_metric`; lower is better."""

    higher_is_better = False
    worst = -math.log(MIN_PROBABILITY)

    def update(self, mask: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        self.accumulate(*_saliency(mask, probabilities, labels))
