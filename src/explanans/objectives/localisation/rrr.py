"""No evidence, for or against, outside of the region."""

from __future__ import annotations

from torch import Tensor

from explanans.objectives.localisation.scaling import largest


def rrr_loss(evidence: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Σ V (1 − R) Â² / Σ V per pair, Â the evidence divided by its largest absolute value.

    "Right for the right reasons" (Ross, Hughes and Doshi-Velez, IJCAI 2017) on attributions of one scale, as Rao et al.
    2023 use it ("RRR*"). Nothing is asked of what lies inside. In [0, 1].

    Shapes as in :mod:`explanans.objectives.localisation`.
    """
    counted = evidence * valid
    scaled = counted / largest(counted.abs())
    return (scaled.square() * (1 - region)).sum((1, 2)) / valid.sum((1, 2)).clamp(min=1e-6)
