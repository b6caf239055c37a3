"""Attribution methods to compare with: ``method(x, targets) → maps``, one signature for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from explanans.explanandum import Explanandum
from explanans.methods.base import Method
from explanans.methods.constant import Constant
from explanans.methods.grad_cam import GradCAM

METHODS: dict[str, Callable[[Explanandum], Method]] = {
    "grad_cam": GradCAM,
    "constant_0": partial(Constant, value=0.0),
    "constant_0.5": partial(Constant, value=0.5),
    "constant_1": partial(Constant, value=1.0),
}

__all__ = ["METHODS", "Constant", "GradCAM", "Method"]
