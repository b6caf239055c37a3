"""How well a mask ranks the object's pixels above the background's, without a threshold: ROC-AUC, average precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from explanans.metrics.base import ImageMean
from explanans.metrics.overlap import flatten

CHANCE = 0.5


@dataclass(frozen=True)
class Ranking:
    """For every distinct value of every mask, in descending order, what lies at or above it.

    Attributes:
        image: (K,) which image the value belongs to; K values over all images.
        gained: (K,) object pixels that have exactly this value.
        positives: (K,) object pixels at or above it.
        negatives: (K,) background pixels at or above it.
        negatives_above: (K,) background pixels strictly above it.
        target_area: (N,) object pixels.
        background_area: (N,) background pixels.
        broken: (N,) true where the mask holds a NaN.
        dtype: of the scores.
    """

    image: Tensor
    gained: Tensor
    positives: Tensor
    negatives: Tensor
    negatives_above: Tensor
    target_area: Tensor
    background_area: Tensor
    broken: Tensor
    dtype: torch.dtype

    def roc_auc(self) -> Tensor:
        """As :func:`roc_auc`."""
        # Twice the number of pairs in the right order, a tied pair counting half: whole numbers, so nothing is rounded.
        twice = self.gained * (2 * self.background_area[self.image] - self.negatives - self.negatives_above)
        twice = torch.zeros_like(self.target_area).index_add_(0, self.image, twice)
        pairs = self.target_area * self.background_area
        values = twice.to(self.dtype) / (2 * pairs.clamp(min=1)).to(self.dtype)
        return values.masked_fill(pairs == 0, CHANCE).masked_fill(self.broken, 0)

    def average_precision(self) -> Tensor:
        """As :func:`average_precision`."""
        precision = self.positives.to(self.dtype) / (self.positives + self.negatives).to(self.dtype)
        parts = precision * self.gained.to(self.dtype) / self.target_area[self.image].clamp(min=1).to(self.dtype)
        # A running sum of fifty thousand small numbers loses four digits; adding by segments does not.
        counts = torch.bincount(self.image, minlength=len(self.target_area))
        values = torch.segment_reduce(parts, "sum", lengths=counts, unsafe=True)
        return values.masked_fill(self.broken, 0)

    def empty(self) -> Tensor:
        """(N,), true where there is no object or no background, so that there is nothing to rank."""
        return (self.target_area == 0) | (self.background_area == 0)


def ranking(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Ranking:
    """Sort each mask's pixels once; :func:`roc_auc` and :func:`average_precision` follow from the result.

    A float in [0, 1], read as an integer, keeps its order and leaves two bits free. The lowest holds the target, so
    that sorting plain integers sorts the pixels and carries what they are along; no index is needed.
    """
    mask, target, valid, broken = flatten(mask.detach(), target, valid)
    counted = target if valid is None else target & valid
    pixels = torch.full_like(broken, mask.shape[1], dtype=torch.long) if valid is None else valid.sum(1)
    target_area = counted.sum(1)
    keys = _sort(_keys(mask, target, valid))
    positives = (keys & 1).cumsum(1, dtype=torch.int32)
    # Where the last pixel of each value stands. Void pixels sort behind all others, with a value of their own.
    last = torch.ones_like(keys, dtype=torch.bool)
    torch.ne(keys[:, 1:] >> 1, keys[:, :-1] >> 1, out=last[:, :-1])
    image, position = last.nonzero(as_tuple=True)
    reached = positives[image, position].long()
    negatives = position + 1 - reached
    first = torch.ones_like(image, dtype=torch.bool)
    torch.ne(image[1:], image[:-1], out=first[1:])
    return Ranking(
        image=image,
        gained=reached - reached.roll(1).masked_fill(first, 0),
        positives=reached,
        negatives=negatives,
        negatives_above=negatives.roll(1).masked_fill(first, 0),
        target_area=target_area,
        background_area=pixels - target_area,
        broken=broken,
        dtype=mask.dtype,
    )


def _keys(mask: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """2 · (rank from the top) + target, as integers as wide as the mask's numbers."""
    integer = torch.int32 if mask.dtype == torch.float32 else torch.int64
    one = int(torch.ones((), dtype=mask.dtype).view(integer))
    # Adding 0 turns −0 into 0.
    keys = (mask + 0).view(integer).neg_().add_(one).mul_(2).add_(target)
    return keys if valid is None else keys.masked_fill_(~valid, 2 * (one + 1))


def _sort(keys: Tensor) -> Tensor:
    """Each row in ascending order; ``keys`` may be overwritten."""
    if keys.device.type == "cpu":
        # numpy has a vectorised sort of plain integers, ten times as fast as a sort that also returns indices.
        keys.numpy().sort(axis=1)
        return keys
    return keys.sort(dim=1).values


def roc_auc(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image area under the ROC curve of the mask as a ranking of pixels, exact.

    The share of pairs of an object pixel i and a background pixel j with m_i > m_j, ties counting half (Hanley &
    McNeil, Radiology 1982; the same as the trapezoidal area in scikit-learn). Higher is better; 0.5 is chance, and what
    a constant mask gets. 0.5 also where there is no object or no background, because no pair exists; 0 for a mask with
    a NaN. It says nothing about the mask's values: any strictly rising change of them leaves it as it is.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        target: same shape, bool or integers 0 and 1: the object.
        valid: same shape, bool: false where a pixel is void and must not count; None counts all.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: as :func:`explanans.metrics.soft_accuracy`.

    >>> import torch
    >>> roc_auc(torch.tensor([[[0.9, 0.5, 0.5, 0.1]]]), torch.tensor([[[True, True, False, False]]]))
    tensor([0.8750])
    """
    return ranking(mask, target, valid).roc_auc()


def average_precision(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Per-image average precision of the mask as a ranking of pixels, exact.

    Σ_k (R_k − R_{k−1}) P_k over the distinct values of the mask in descending order, P_k and R_k being precision and
    recall of the pixels at or above the k-th (as in scikit-learn; no interpolation). Higher is better; a constant mask
    gets the object's share of the image, which is chance. 0 where there is no object (the limit of that share), 1
    where there is no background, 0 for a mask with a NaN. Arguments and errors as in :func:`roc_auc`.

    Returns:
        (N,) in [0, 1].

    >>> import torch
    >>> average_precision(torch.tensor([[[0.9, 0.5, 0.5, 0.1]]]), torch.tensor([[[True, True, False, False]]]))
    tensor([0.8333])
    """
    return ranking(mask, target, valid).average_precision()


class _RankingMetric(ImageMean):
    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    score: ClassVar[Callable[[Ranking], Tensor]]

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        ranks = ranking(mask, target, valid)
        self.accumulate(type(self).score(ranks), ranks.broken, ranks.empty())


class RocAuc(_RankingMetric):
    """Mean over images of :func:`roc_auc`; higher is better."""

    score = Ranking.roc_auc


class AveragePrecision(_RankingMetric):
    """Mean over images of :func:`average_precision`; higher is better."""

    score = Ranking.average_precision
