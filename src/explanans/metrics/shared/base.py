"""The state that every metric here shares: a mean over images that drops none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ImageMean(Metric):
    """Mean of a per-image score over all images seen; NaN before the first image.

    All states are sums, so the result does not depend on how the images are spread over batches or processes. An
    image that could not be scored counts with the worst value and is counted in ``nan_count``; one in which there was
    nothing to measure (no object, no background, an empty map) counts with the value that the function documents for
    it and is counted in ``empty_count``.

    Args:
        columns: how many scores an image has, for example one per threshold; None for a single one.
        kwargs: for ``torchmetrics.Metric``.
    """

    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor
    nan_count: Tensor
    empty_count: Tensor

    def __init__(self, columns: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros(() if columns is None else columns), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("nan_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("empty_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def accumulate(self, values: Tensor, broken: Tensor, empty: Tensor | None = None) -> None:
        """Add the scores (N,) or (N, columns) of N images.

        ``broken`` (N,) marks those that could not be scored, ``empty`` (N,) those with nothing to measure.
        """
        self.total += values.sum(0)
        self.count += len(values)
        self.nan_count += broken.sum()
        if empty is not None:
            self.empty_count += (empty & ~broken).sum()

    def means(self) -> Tensor:
        """Mean over the images, for each column."""
        return self.total / self.count

    def compute(self) -> Tensor:
        return self.means().mean()


class ShareMean(ImageMean):
    """:class:`ImageMean` of a score in [0, 1]."""

    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
