"""How alike two maps of an image are: rank correlation and structural similarity, for the sanity check."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from explanans.errors import InputError
from explanans.metrics.shared.base import ImageMean, listed
from explanans.metrics.shared.normalise import minmax
from explanans.metrics.shared.overlap import flatten_maps, floating

MIN_SIDE = 11
"""The window of the structural similarity, in pixels."""


def map_similarity(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Spearman's rank correlation and the structural similarity (SSIM) of two maps, per image.

    Adebayo et al., "Sanity Checks for Saliency Maps" (NeurIPS 2018): a map that stays as it is when the classifier's
    weights are randomised does not explain the classifier, so here lower is better. Spearman's is Pearson's correlation
    of the pixels' ranks, tied pixels sharing the mean of theirs; SSIM (Wang et al. 2004, Gaussian window, sigma 1.5,
    over the mirrored border) compares the maps after min–max normalisation of each. A constant map has no ranks: it
    correlates 1 with a constant map and 0 with any other. Where either map holds a NaN or infinity both values are 1,
    the worst.

    Args:
        first, second: (N, H, W) or (N, 1, H, W), floating point of any range, H and W at least 11.

    Returns:
        "spearman" (N,) in [−1, 1] and "ssim" (N,) in [−1, 1].

    Raises:
        InputError: shapes that differ, or maps smaller than the window.
    """
    values, _, _ = _similarity(first, second)
    return {"spearman": values[:, 0], "ssim": values[:, 1]}


def _similarity(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    first, second = floating(first.detach(), "first"), floating(second.detach(), "second")
    if first.shape != second.shape or min(first.shape[1:]) < MIN_SIDE:
        raise InputError(
            f"first {tuple(first.shape)}, second {tuple(second.shape)}; give one shape (N, H, W), sides ≥ {MIN_SIDE}."
        )
    (a, broken), (b, also) = flatten_maps(first), flatten_maps(second)
    broken = broken | also
    flat = (a.amin(1) == a.amax(1)) | (b.amin(1) == b.amax(1))
    both = (a.amin(1) == a.amax(1)) & (b.amin(1) == b.amax(1))
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    scale = x.norm(dim=1) * y.norm(dim=1)
    spearman = ((x * y).sum(1) / scale.masked_fill(flat, 1)).masked_fill(flat, 0).masked_fill(both, 1).clamp(-1, 1)
    one, other = (minmax(values.view(first.shape)[:, None]) for values in (a, b))
    ssim = cast(Tensor, structural_similarity_index_measure(one, other, data_range=1.0, reduction="none"))
    values = torch.stack([spearman.to(first.dtype), ssim.view(-1)], 1)
    return values.masked_fill(broken[:, None], 1), broken, flat


def _ranks(flat: Tensor) -> Tensor:
    """Rank of every value in its row (N, P), from 0; tied values share the mean of their ranks."""
    ordered, order = flat.sort(dim=1)
    # Among equal values the mean rank is halfway between the first and the last place that they take.
    low = torch.searchsorted(ordered, ordered, right=False)
    high = torch.searchsorted(ordered, ordered, right=True)
    return torch.empty_like(flat).scatter_(1, order, ((low + high - 1) / 2).to(flat.dtype))


@listed("map_similarity", "similarity of maps")
class MapSimilarity(ImageMean):
    """Means over images of :func:`map_similarity`; lower is better when the second classifier is randomised."""

    higher_is_better = False
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(columns=2, **kwargs)

    def update(self, first: Tensor, second: Tensor) -> None:
        self.accumulate(*_similarity(first, second))

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        spearman, ssim = self.means()
        return {"spearman": spearman, "ssim": ssim}
