"""The share of the positive evidence that lies elsewhere, or that is not there at all."""

from __future__ import annotations

from torch import Tensor

LEAST = 3.0
"""Positive evidence, in logits, beside which it is measured: under averaging and a linear head Σ A is the logit less
the bias, and 3 logits turn a probability of 5 % into one of 50 %."""


def firm_energy_loss(evidence: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """1 − Σ V R A⁺ / (3 + Σ V A⁺) per pair, A⁺ = max(A, 0): "energy" of which some has to be there.

    A share alone is also mended by taking evidence away until little is left, and then the class is no longer seen.
    Here what is missing of it counts as evidence that lies elsewhere. Above 0, and at most 1, which it is where nothing
    positive lies in the region.

    Shapes as in :mod:`explanans.objectives.localisation`; unlike the other losses it depends on the evidence's scale.
    """
    positive = evidence.clamp(min=0) * valid
    return 1 - (positive * region).sum((1, 2)) / (LEAST + positive.sum((1, 2)))
