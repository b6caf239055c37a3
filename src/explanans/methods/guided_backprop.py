"""Guided Backpropagation (Springenberg et al., ICLR Workshop 2015)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import grey_image
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed, positions
from explanans.methods.shared.activations import RELUS, SMOOTH, Activations
from explanans.methods.shared.perturbing import check_gradients_possible
from explanans.methods.shared.reduction import check_reduction, reduce_channels


class _PositiveGradient(torch.autograd.Function):
    """The value that it is given; backwards only what is positive passes."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        # A copy: what comes next may work in place, which a view out of here would forbid.
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].relu()


def _guided(given: Tensor, answer: Tensor) -> Tensor:
    return _PositiveGradient.apply(answer)


@listed("guided_backprop", "Guided Backpropagation", needs=("gradients",))
class GuidedBackprop(PairMethod):
    """The gradient of each logit with respect to the image; only its positive part passes a ReLU backwards.

    ``guided_backprop(images, targets)`` → raw maps (N, C, H, W), at least 0 unless ``reduction="signed"``, in logits
    per unit of the normalised image. One forward pass per batch, one backward pass per class that is asked for. No
    module is changed and no hook set, see :mod:`explanans.methods.shared.activations`: ReLUs that are modules,
    functions, in place or used twice all count. ``activations`` says which were guided, and how many.

    Args:
        explanandum: the classifier.
        reduction: how three colour channels become one map, see
            :func:`~explanans.methods.shared.reduction.reduce_channels`.
        smooth: guide GELU, SiLU, Hardswish, Mish, ELU and their like too, by the same rule relu(gradient) · f'(x). The
            method was made for ReLU (and ReLU6), which is all that is guided by default.

    Raises:
        InputError: the classifier has no activation to guide; or the call happens under ``torch.inference_mode``.
    """

    def __init__(self, explanandum: Explanandum, *, reduction: str = "absolute", smooth: bool = False) -> None:
        self.explanandum = explanandum
        self.reduction = check_reduction(reduction)
        self.names = RELUS + SMOOTH if smooth else RELUS
        with torch.inference_mode(False), torch.enable_grad(), Activations(RELUS + SMOOTH, _guided) as found:
            explanandum(grey_image(explanandum))
        self.activations = {name: count for name, count in found.counts.items() if name in self.names}
        if not self.activations:
            others = ", ".join(found.counts)
            raise InputError(
                "guided backpropagation: the classifier has no ReLU to guide"
                + (f", only {others}; smooth=True guides those." if others else " and no other known activation.")
            )

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible("GuidedBackprop")
        maps = images.new_zeros(int(asked.sum()), *images.shape[-2:])
        if not asked.any():
            return maps
        place = positions(asked)
        with torch.enable_grad():
            seen = images.detach().clone().requires_grad_()
            with Activations(self.names, _guided):
                logits = self.explanandum(seen)
            for index in asked.any(0).nonzero().flatten().tolist():
                rows = asked[:, index]
                (gradients,) = torch.autograd.grad(
                    logits[rows, index].sum(), seen, retain_graph=True, materialize_grads=True
                )
                maps[place[rows, index]] = reduce_channels(gradients[rows], self.reduction)
        return maps
