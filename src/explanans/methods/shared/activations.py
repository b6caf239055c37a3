"""A classifier's activation functions, answered differently while it is asked: no hook, no module changed.

Activations are caught where torch is called (``relu``, ``gelu``, …), so that modules, functional calls, in-place ones
and modules that are used more than once are all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

RELUS = ("relu", "relu6")
SMOOTH = ("gelu", "silu", "mish", "hardswish", "elu", "selu", "celu", "leaky_relu", "softplus")

_ALL = ("hardtanh", *RELUS, *SMOOTH)
# What torch calls them, in-place ones with an underscore behind.
_NAMES = {f"{name}{underscore}": name for name in _ALL for underscore in ("", "_")}


def _kind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """The activation that a call is, or None."""
    name = _NAMES.get(getattr(function, "__name__", ""))
    if name == "hardtanh":
        low = kwargs.get("min_val", args[1] if len(args) > 1 else -1.0)
        high = kwargs.get("max_val", args[2] if len(args) > 2 else 1.0)
        return "relu6" if (low, high) == (0.0, 6.0) else None
    return name


class Activations(TorchFunctionMode):
    """Inside, ``change(x, y)`` stands for every activation y = f(x) whose name is in ``names``.

    ``counts`` says how many calls of which were changed. Where x needs no gradient the activation is left alone.

    Args:
        names: some of :data:`RELUS` and :data:`SMOOTH`.
        change: input and output of the activation → what the rest of the network gets, with its own backward pass.
    """

    def __init__(self, names: tuple[str, ...], change: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.names, self.change = names, change
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        kind = _kind(function, args, kwargs)
        if kind not in self.names or not torch.is_grad_enabled():
            return function(*args, **kwargs)
        given = args[0] if args else kwargs.pop("input")
        # A copy, so that an in-place activation leaves its input to us.
        answer = self.change(given, function(given.clone(), *args[1:], **kwargs))
        self.counts[kind] += 1
        if kwargs.get("inplace") or getattr(function, "__name__", "").endswith("_"):
            # The caller may go on with the tensor that it handed in.
            return given.copy_(answer)
        return answer
