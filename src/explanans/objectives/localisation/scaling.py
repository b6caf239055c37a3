"""Evidence on a scale of its own: what losses that compare it with a mask have in common."""

from __future__ import annotations

import torch
from torch import Tensor


def largest(values: Tensor) -> Tensor:
    """The largest of each map (P, h, w), (P, 1, 1); 1 where all are 0."""
    found = values.amax((1, 2), keepdim=True)
    return torch.where(found > 0, found, 1)


def positive_share(evidence: Tensor, valid: Tensor) -> Tensor:
    """The positive part of evidence (P, h, w) where it counts, as a share of its largest value, in [0, 1]."""
    positive = evidence.clamp(min=0) * valid
    return positive / largest(positive)
