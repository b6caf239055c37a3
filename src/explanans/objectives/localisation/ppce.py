"""Evidence everywhere within the region, wherever else it is."""

from __future__ import annotations

from torch import Tensor

from explanans.objectives.localisation.scaling import positive_share

SMALLEST = 1e-3
"""A share below which evidence counts as this, so that the loss of a position has a largest value, log 1,000."""


def ppce_loss(evidence: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """−Σ V R log Â / Σ V R per pair, Â the positive evidence as a share of the largest (Rao et al. 2023, "PPCE").

    Nothing is asked of what lies outside the region. At least 0; 0 where the region is empty.

    Shapes as in :mod:`explanans.objectives.localisation`.
    """
    weight = region * valid
    # Beneath the smallest share too a gradient points upwards: it is added, not clamped.
    surprise = -((positive_share(evidence, valid) + SMALLEST) / (1 + SMALLEST)).log()
    return (surprise * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1e-6)
