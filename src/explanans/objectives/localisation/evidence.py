"""A classifier's evidence as a function of its weights, so that it can be trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError
from explanans.utils.hooks import watching

INPUT = "input"
"""The name of the picture itself among layers: input × gradient."""


class Evidence:
    """Activation × gradient at layers: A(p) = Σ_k a_k(p) ∂z_c/∂a_k(p), z_c the logit of a class.

    At the features under averaging and a linear head it is the class activation map, Σ_k w_k a_k, divided by the
    number of positions; at the input it is input × gradient, summed over the colours. Gradients of gradients are kept,
    so that what is made of the evidence trains the weights.

    Args:
        layers: names in ``network.named_modules()``, or ``input``.
        size: height and width of the pictures.
    """

    def __init__(self, layers: Sequence[str], size: tuple[int, int]) -> None:
        self.layers, self.size = tuple(layers), size
        self._seen: dict[str, Tensor] = {}

    @contextmanager
    def watched(self, network: nn.Module, images: Tensor) -> Iterator[Tensor]:
        """Inside, a pass of what is yielded (the images) through the network leaves what :meth:`of` needs."""
        self._seen = {}

        def see(name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor | None:
            if not isinstance(output, Tensor):
                raise InputError(f"layers: {name!r} returns a {type(output).__name__}; name one that returns a tensor.")
            self._seen[name] = output
            # A ReLU that works in place may not write into what is kept.
            return output.clone()

        if INPUT in self.layers:
            images = images.detach().requires_grad_()
            self._seen[INPUT] = images
        parts = [(name, network.get_submodule(name)) for name in self.layers if name != INPUT]
        with watching(parts, see):
            yield images

    def of(self, logits: Tensor, rows: Tensor, columns: Tensor) -> list[Tensor]:
        """The evidence of class ``columns[p]`` in picture ``rows[p]`` at every layer, (P, h, w) each.

        Args:
            logits: (N, C), of the pass that was watched; pictures may not influence one another in it.
        """
        seen = [self._seen[name] for name in self.layers]
        gradients = torch.autograd.grad(logits[rows, columns].sum(), seen, create_graph=True, allow_unused=True)
        found = []
        for name, activation, gradient in zip(self.layers, seen, gradients, strict=True):
            if gradient is None:
                raise InputError(f"layers: {name!r} has no part in the logits; name another one.")
            product = activation.float() * gradient.float()
            view = product if name == INPUT else spatial_view(product, self.size)
            if view is None:
                raise InputError(
                    f"layers: {name!r} returns {tuple(activation.shape)}; name one with an output (N, K, h, w), "
                    "(N, h, w, K) or (N, tokens, K)."
                )
            found.append(view.sum(1)[rows])
        return found
