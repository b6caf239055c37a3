"""Attribution methods to compare with: ``method(x, targets) → maps``, one signature for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from explanans.methods.base import Method
from explanans.methods.constant import Constant
from explanans.methods.explainer import ExplainerMethod
from explanans.methods.grad_cam import GradCAM
from explanans.methods.spread_cam import SpreadCAM

METHODS: dict[str, Callable[..., Method]] = {
    "explainer": ExplainerMethod,
    "grad_cam": GradCAM,
    "spread_cam": SpreadCAM,
    "constant_0": partial(Constant, value=0.0),
    "constant_0.5": partial(Constant, value=0.5),
    "constant_1": partial(Constant, value=1.0),
}

__all__ = ["METHODS", "Constant", "ExplainerMethod", "GradCAM", "Method", "SpreadCAM"]
