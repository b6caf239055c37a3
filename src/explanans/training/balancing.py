"""Pictures of a class with a shortcut and without count the same: what last-layer retraining is done on."""

from __future__ import annotations

import torch
from torch import Tensor


def balance_weights(labels: Tensor, having: Tensor) -> Tensor:
    """Weights (N, C) under which the pictures of a class with a region of it weigh as much together as those without.

    n / (2 n₁) for the n₁ of the n pictures with the label that have the region, n / (2 n₀) for the others, and 1 where
    the label is not there or where either number is 0 (Kirichenko, Izmailov and Wilson, "Last Layer Re-Training is
    Sufficient for Robustness to Spurious Correlations", ICLR 2023, draw as many of each instead).

    Args:
        labels, having: bool (N, C).
    """
    with_it, without = labels & having, labels & ~having
    counts = [each.sum(0).double() for each in (labels, with_it, without)]
    both = (counts[1] > 0) & (counts[2] > 0)
    weights = torch.ones(labels.shape, dtype=torch.double)
    for where, count in ((with_it, counts[1]), (without, counts[2])):
        weights = torch.where(where & both, counts[0] / (2 * count.clamp(min=1)), weights)
    return weights.float()
