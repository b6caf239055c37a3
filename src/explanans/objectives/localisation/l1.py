"""The evidence as a mask that is to equal the region."""

from __future__ import annotations

from torch import Tensor

from explanans.objectives.localisation.scaling import positive_share


def l1_loss(evidence: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Σ V |Â − R| / Σ V per pair, with Â the positive evidence as a share of the largest (Rao et al. 2023, "L1").

    It fills the region evenly, background within a box included. In [0, 1].

    Shapes as in :mod:`explanans.objectives.localisation`.
    """
    difference = (positive_share(evidence, valid) - region).abs() * valid
    return difference.sum((1, 2)) / valid.sum((1, 2)).clamp(min=1e-6)
