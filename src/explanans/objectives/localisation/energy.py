"""The share of the positive evidence that lies elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor


def energy_loss(evidence: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """1 − Σ R A⁺ / Σ V A⁺ per pair, A⁺ = max(A, 0): one minus the energy pointing game (Rao et al. 2023, "Energy").

    How the evidence lies within the region is left open, so that a coarse box does not fill up. In [0, 1]; 0, without
    a gradient, where there is no positive evidence: none lies elsewhere.

    Shapes as in :mod:`explanans.objectives.localisation`.
    """
    positive = evidence.clamp(min=0) * valid
    total = positive.sum((1, 2))
    inside = (positive * region).sum((1, 2))
    some = total > 0
    return torch.where(some, 1 - inside / total.where(some, torch.ones_like(total)), 0)
