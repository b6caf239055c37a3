"""ROAD, remove and debias: take pixels out in the order of a map without leaving a trace of which were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.insertion import ranks
from explanans.metrics.shared.asking import Classify, answers, check_images, label_mean
from explanans.metrics.shared.base import ImageMean, listed
from explanans.metrics.shared.imputation import impute

PERCENTAGES = (0.2, 0.4, 0.6, 0.8)


def road(
    classify: Classify,
    images: Tensor,
    maps: Tensor,
    labels: Tensor,
    percentages: Sequence[float] = PERCENTAGES,
    batch_size: int = 64,
    generator: torch.Generator | None = None,
) -> Tensor:
    """mean over the shares s of ½ (p_LeRF(s) − p_MoRF(s)), per image.

    p_MoRF(s) is the mean probability of the labels when the share s of the pixels with the highest map values is
    replaced (most relevant first), p_LeRF(s) when it is that with the lowest. Replaced pixels become the noisy mean of
    their neighbours (:func:`explanans.metrics.impute`), which hides their outline, so that the classifier cannot read
    the mask's shape (Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022;
    the combination of both orders is that of pytorch-grad-cam). Higher is better, 0 is what a random order gets on
    average. Pixels of equal value are taken row by row from the top, so a constant map gets what the upper half of the
    image is worth against the lower, not 0. A map with a NaN or infinity, and an image for which the classifier answers
    NaN, gets −½, the worst value.

    Args:
        classify: images (B, 3, H, W) → probabilities (B, C), sigmoid or softmax as the classifier was trained.
        images: normalised, (N, 3, H, W).
        maps: (N, H, W) or (N, 1, H, W), floating point of any range: only the order of the values counts.
        labels: (N, C) multi-hot; each image needs at least one label.
        percentages: shares of the pixels to replace, each in (0, 1).
        batch_size: images per call of ``classify``, and imputed at once.
        generator: of the noise, on the images' device.

    Returns:
        (N,) in [−½, ½].

    Raises:
        InputError: shapes that do not fit, an image without a label, shares outside (0, 1).
    """
    return _road(classify, images, maps, labels, percentages, batch_size, generator)[0]


def _road(
    classify: Classify,
    images: Tensor,
    maps: Tensor,
    labels: Tensor,
    percentages: Sequence[float],
    batch_size: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    if not len(percentages) or not all(0 < share < 1 for share in percentages):
        raise InputError(f"percentages={list(percentages)[:10]!r}; give shares of the pixels between 0 and 1.")
    place, broken = ranks(maps)
    check_images(images, {"maps": (place, (len(images), *images.shape[2:]))})
    pixels = place[0].numel()
    counts = torch.tensor([round(share * pixels) for share in percentages], device=images.device)
    counts = counts.clamp(max=pixels - 1)
    shares = len(percentages)

    def make(indices: Tensor) -> Tensor:
        of, order, share = indices // (2 * shares), indices // shares % 2, indices % shares
        limit = torch.where(order == 0, counts[share], pixels - counts[share])[:, None, None]
        removed = torch.where((order == 0)[:, None, None], place[of] < limit, place[of] >= limit)
        return impute(images[of], removed, generator=generator)

    probabilities = answers(classify, len(images) * 2 * shares, make, batch_size, images)
    values = label_mean(probabilities, labels.repeat_interleave(2 * shares, dim=0)).view(len(images), 2, shares)
    scores = (values[:, 1] - values[:, 0]).mean(1) / 2
    broken = broken | scores.isnan()
    return scores.masked_fill(broken, -0.5), broken


@listed("road", "ROAD")
class Road(ImageMean):
    """Mean over images of :func:`road`; higher is better.

    Args:
        percentages, batch_size: as there.
        kwargs: for ``torchmetrics.Metric``.
    """

    higher_is_better = True
    worst = -0.5
    plot_lower_bound = -0.5
    plot_upper_bound = 0.5

    def __init__(self, percentages: Sequence[float] = PERCENTAGES, batch_size: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.percentages, self.batch_size = tuple(percentages), batch_size

    def update(
        self,
        classify: Classify,
        images: Tensor,
        maps: Tensor,
        labels: Tensor,
        generator: torch.Generator | None = None,
    ) -> None:
        self.accumulate(*_road(classify, images, maps, labels, self.percentages, self.batch_size, generator))
