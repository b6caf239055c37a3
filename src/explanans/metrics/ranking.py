"""How well a mask ranks the object's pixels above the background's, without a threshold: ROC-AUC, average precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import flatten

CHANCE = 0.5


@dataclass(frozen=True)
class Ranking:
    """The pixels of each mask in descending order of their values; pixels of one value form a group.

    Attributes:
        keys: (N, P) ascending integers, 2 · (how far the value lies below 1, counted in floats) + target. So within a
            group the background comes first. Void pixels stand behind all others, with even keys.
        positives: (N, P) object pixels up to and including each place.
        target_area: (N,) object pixels.
        pixels: (N,) pixels that count.
        broken: (N,) true where the mask holds a NaN.
        dtype: of the masks and the scores.
    """

    keys: Tensor
    positives: Tensor
    target_area: Tensor
    pixels: Tensor
    broken: Tensor
    dtype: torch.dtype

    def roc_auc(self) -> Tensor:
        """As :func:`roc_auc`."""
        objects, background = self.target_area, self.pixels - self.target_area
        # Whole numbers, so nothing is rounded. An object pixel at place p, the t-th of its kind, has p − t background
        # pixels before it. The sum of all t is known, and the sum of all p follows from that of the running counts.
        places = (self.keys.shape[1] + 1) * objects - self.positives.sum(1, dtype=torch.long)
        disordered = places - objects * (objects + 1) // 2
        pairs = objects * background
        twice = 2 * (pairs - disordered) + self._tied_pairs()
        values = twice.to(self.dtype) / (2 * pairs.clamp(min=1)).to(self.dtype)
        return values.masked_fill(pairs == 0, CHANCE).masked_fill(self.broken, 0)

    def average_precision(self) -> Tensor:
        """As :func:`average_precision`."""
        # The object pixels of a group are its last, so it ends where one of them is followed by another key.
        last = (self.keys & 1).bool()
        last[:, :-1] &= self.keys[:, 1:] != self.keys[:, :-1]
        index = _true_positions(last)
        image, place = index // last.shape[1], index % last.shape[1] + 1
        positives = self.positives.flatten()[index]
        gained = positives.diff(prepend=positives.new_zeros(1))
        # An image's first group has nothing before it; its object pixels are all gained.
        gained = torch.where(image.diff(prepend=image.new_full((1,), -1)) != 0, positives, gained)
        parts = gained.to(self.dtype) * positives.to(self.dtype) / place.to(self.dtype)
        # In rows of their own: a sum over a row is exact to the last digits, a running one over as many numbers is not.
        rows = parts.new_zeros(last.numel()).index_copy_(0, index, parts).view_as(last)
        return (rows.sum(1) / self.target_area.clamp(min=1).to(self.dtype)).masked_fill(self.broken, 0)

    def empty(self) -> Tensor:
        """(N,), true where there is no object or no background, so that there is nothing to rank."""
        return (self.target_area == 0) | (self.target_area == self.pixels)

    def _tied_pairs(self) -> Tensor:
        """(N,) pairs of a background and an object pixel of one value; the order above took them for disordered."""
        # Keys of such a group differ in the lowest bit alone, and stand next to each other where background ends.
        mixed = torch.zeros_like(self.keys, dtype=torch.bool)
        torch.eq(self.keys[:, 1:] ^ self.keys[:, :-1], 1, out=mixed[:, :-1])
        index = _true_positions(mixed)
        image = index // mixed.shape[1]
        counts = torch.bincount(image, minlength=len(mixed))
        column = torch.arange(len(index), device=index.device) - (counts.cumsum(0) - counts)[image]
        groups = self.keys.new_full((len(mixed), int(counts.max()) if len(counts) else 0), -1)
        groups[image, column] = self.keys.flatten()[index]
        start = torch.searchsorted(self.keys, groups)
        middle = torch.searchsorted(self.keys, groups, right=True)
        end = torch.searchsorted(self.keys, groups | 1, right=True)
        return ((middle - start) * (end - middle)).sum(1)


def ranking(mask: Tensor, target: Tensor, valid: Tensor | None = None) -> Ranking:
    """Sort each mask's pixels once; ROC-AUC and average precision follow from it.

    A float in [0, 1], read as an integer, keeps its order and leaves two bits free. The lowest holds the target, so
    that sorting plain integers sorts the pixels and carries along what they are; no index is needed. Arguments and
    errors as in :func:`roc_auc`.
    """
    mask, target, valid, broken = flatten(mask.detach(), target, valid)
    keys = _below_one(mask).mul_(2).add_(target)
    pixels = torch.full_like(broken, mask.shape[1], dtype=torch.long)
    if valid is not None:
        keys.masked_fill_(~valid, 2 * (_one(mask.dtype) + 1))
        pixels = valid.sum(1)
    keys = _sort_rows(keys)
    positives = (keys & 1).cumsum(1, dtype=torch.int32)
    return Ranking(keys, positives, positives[:, -1].long(), pixels, broken, mask.dtype)


def _sort_rows(keys: Tensor) -> Tensor:
    """Each row of integers (N, P) in ascending order; ``keys`` may be overwritten."""
    if keys.device.type == "cpu":
        # A vectorised sort of plain integers; torch also makes the indices, which takes ten times as long.
        keys.numpy().sort(axis=1)
        return keys
    return keys.sort(dim=1).values


def _true_positions(marked: Tensor) -> Tensor:
    """Where a bool tensor, flattened, is true: ascending indices."""
    if marked.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(marked.numpy()))
    return marked.flatten().nonzero()[:, 0]


def _below_one(values: Tensor) -> Tensor:
    """How many floats lie between a value in [0, 1] and 1, as integers as wide as the values."""
    # Adding 0 turns −0, which is another pattern of bits, into 0.
    bits = (values + 0).view(torch.int32 if values.dtype == torch.float32 else torch.int64)
    return bits.neg_().add_(_one(values.dtype))


def _one(dtype: torch.dtype) -> int:
    """The bits of 1."""
    return int(torch.ones((), dtype=dtype).view(torch.int32 if dtype == torch.float32 else torch.int64))


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


class _RankingMetric(ShareMean):
    higher_is_better = True
    score: ClassVar[Callable[[Ranking], Tensor]]

    def update(self, mask: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        ranks = ranking(mask, target, valid)
        self.accumulate(type(self).score(ranks), ranks.broken, ranks.empty())


@listed("roc_auc", "ROC-AUC")
class RocAuc(_RankingMetric):
    """Mean over images of :func:`roc_auc`; higher is better."""

    score = Ranking.roc_auc


@listed("average_precision", "average precision")
class AveragePrecision(_RankingMetric):
    """Mean over images of :func:`average_precision`; higher is better."""

    score = Ranking.average_precision
