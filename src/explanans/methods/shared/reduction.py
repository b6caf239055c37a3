"""From attributions with three colour channels to one map: one rule for every method that has them."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from explanans.errors import InputError

Reduction = Literal["absolute", "maximum", "positive", "signed"]


def check_reduction(reduction: str) -> Reduction:
    """Raises InputError for an unknown one."""
    if reduction not in get_args(Reduction):
        raise InputError(f"reduction={reduction!r}; take one of {get_args(Reduction)}.")
    return reduction  # type: ignore[return-value]


def reduce_channels(attributions: Tensor, reduction: Reduction) -> Tensor:
    """(N, 3, H, W) → (N, H, W).

    - "absolute": Σ over channels of |a|: how much the pixel matters, for or against. For gradients.
    - "maximum": max over channels of |a| (Simonyan et al. 2014).
    - "positive": relu(Σ a): only what speaks for the class.
    - "signed": Σ a. Negative values speak against the class; sums keep the completeness of integrated gradients.
    """
    if reduction == "absolute":
        return attributions.abs().sum(1)
    if reduction == "maximum":
        return attributions.abs().amax(1)
    total = attributions.sum(1)
    return total.relu() if reduction == "positive" else total
