"""Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import find_layer, last_spatial_layer
from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed
from explanans.methods.shared.perturbing import check_gradients_possible
from explanans.utils.hooks import watching


def grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """relu(Σ_k α_k A_k) with α_k the mean over h, w of ∂y/∂A_k; activations and gradients (N, K, h, w) → (N, h, w)."""
    weights = gradients.mean((2, 3))
    return torch.einsum("nk,nkhw->nhw", weights, activations).relu()


@listed("grad_cam", "Grad-CAM", needs=("gradients", "layers"))
class GradCAM(PairMethod):
    """Class maps from the gradients of the logits with respect to one layer's output.

    ``grad_cam(images, targets)`` → raw maps (N, C, H, W), at least 0, in units of logits, bilinearly upsampled to the
    images. One forward pass per batch; as many backward passes as classes are asked for of one image at most, through
    the part of the classifier above the layer only. Works under ``torch.no_grad``.

    Args:
        explanandum: the classifier.
        layer: name of a module whose output is (N, K, h, w), (N, h, w, K) or (N, tokens, K), see
            :func:`~explanans.classifiers.spatial.spatial_view`, as in ``explanandum.module.named_modules()``; None
            takes :func:`~explanans.classifiers.layers.last_spatial_layer`. ``layer_name`` says which it is.

    Raises:
        InputError: no layer fits, the layer is unknown, its output has no spatial view or the logits do not depend on
            it; or the call happens under ``torch.inference_mode``.
    """

    # activations and gradients (N, K, h, w) → maps (N, h, w); what tells the methods of this family apart.
    combine = staticmethod(grad_cam)

    def __init__(self, explanandum: Explanandum, layer: str | None = None) -> None:
        self.explanandum = explanandum
        self.layer_name = last_spatial_layer(explanandum) if layer is None else layer
        self.layer = find_layer(explanandum, self.layer_name)

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible(type(self).__name__)
        if not asked.any():
            return images.new_zeros(0, *images.shape[-2:])
        return F.interpolate(self.coarse(images, asked)[:, None], images.shape[-2:], mode="bilinear")[:, 0]

    def coarse(self, images: Tensor, asked: Tensor) -> Tensor:
        """The maps at the layer's own resolution, (P, h, w): one for each true entry of ``asked`` (N, C), in order."""
        with torch.enable_grad():
            output, logits = self._forward(images.detach())
            activations = self._view(output.detach(), images)
            image, column = asked.nonzero(as_tuple=True)
            rank = asked.cumsum(1)[image, column] - 1
            cams = images.new_zeros(len(image), *activations.shape[-2:])
            for turn in range(int(rank.max()) + 1 if len(rank) else 0):
                # Images do not influence each other in evaluation mode, so one gradient of a sum serves them all, each
                # with a class of its own.
                here = (rank == turn).nonzero().flatten()
                rows = image[here]
                (gradients,) = torch.autograd.grad(
                    logits[rows, column[here]].sum(), output, retain_graph=True, materialize_grads=True
                )
                cam = self.combine(activations[rows], self._view(gradients, images)[rows])
                cams[here] = cam.to(cams.dtype)
        return cams

    def _view(self, output: Tensor, images: Tensor) -> Tensor:
        view = spatial_view(output, (images.shape[-2], images.shape[-1]))
        if view is None and output.ndim == 4:
            # Whatever its aspect ratio: somebody named the layer.
            view = output
        if view is None:
            raise InputError(
                f"layer={self.layer_name!r} returns {tuple(output.shape)} for images of {tuple(images.shape[-2:])}; "
                "name one with an output (N, K, h, w), (N, h, w, K) or (N, tokens, K)."
            )
        return view

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's output, as the leaf at which the graph begins, and the logits."""
        captured: list[Tensor] = []

        def begin_graph(name: str, module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise InputError(
                    f"layer={self.layer_name!r} returns a {type(output).__name__}; name one that returns a tensor "
                    "(N, K, h, w), (N, h, w, K) or (N, tokens, K)."
                )
            # The classifier is frozen, so nothing else would ask for gradients. The rest of the network gets a copy:
            # a ReLU that works in place may neither write to a leaf nor into the activations that are kept.
            captured.append(output.detach().requires_grad_())
            return captured[-1].clone()

        with watching([(self.layer_name, self.layer)], begin_graph):
            logits = self.explanandum(images)
        if not captured or not logits.requires_grad:
            raise InputError(f"layer={self.layer_name!r} has no part in the logits; name another one.")
        return captured[-1], logits
