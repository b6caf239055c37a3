"""Score-CAM (Wang et al., CVPR Workshops 2020): weights from what the classifier says through each activation map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import find_layer, last_spatial_layer, reading
from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed, positions
from explanans.ops.refinement import stretch
from explanans.utils.numbers import check_count


@listed("score_cam", "Score-CAM", needs=("layers",))
class ScoreCAM(PairMethod):
    """relu(Σ_k w_k A_k), w the softmax over k of the logit of the image through A_k, upsampled and stretched to [0, 1].

    ``score_cam(images, targets)`` → raw maps (N, C, H, W), at least 0. No gradients. The K masked images, one for each
    channel of the layer, are seen once for all classes: K + 1 forward passes per image, ``batch_size`` at a time.
    Hidden pixels are the mean colour. A channel that is the same everywhere masks everything.

    Args:
        explanandum: the classifier.
        layer: name of a module with a :func:`~explanans.classifiers.spatial.spatial_view`; None takes
            :func:`~explanans.classifiers.layers.last_spatial_layer`. ``layer_name`` says which it is.
        batch_size: masked images per forward pass.
        channels: how many channels to use, those with the largest mean absolute activation in each image; None for all.

    Raises:
        InputError: no layer fits, the layer is unknown or its output has no spatial view; or a number below 1.
    """

    asks_often = True

    def __init__(
        self, explanandum: Explanandum, layer: str | None = None, *, batch_size: int = 32, channels: int | None = None
    ) -> None:
        self.explanandum = explanandum
        self.batch_size = check_count("batch_size", batch_size)
        self.channels = None if channels is None else check_count("channels", channels)
        self.layer_name = last_spatial_layer(explanandum) if layer is None else layer
        self.layer = find_layer(explanandum, self.layer_name)

    @torch.no_grad()
    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = images.new_zeros(int(asked.sum()), *images.shape[-2:])
        place = positions(asked)
        for row in asked.any(1).nonzero().flatten().tolist():
            activations = self._activations(images[row : row + 1])
            masks = stretch(functional.interpolate(activations[:, None], images.shape[-2:], mode="bilinear"))
            logits = torch.cat([self.explanandum(images[row] * part) for part in masks.split(self.batch_size)])
            weights = logits.softmax(0)[:, asked[row]]
            cams = torch.einsum("kc,khw->chw", weights, activations.to(logits.dtype)).relu()
            cams = functional.interpolate(cams[None], images.shape[-2:], mode="bilinear")[0]
            maps[place[row, asked[row]]] = cams.to(maps.dtype)
        return maps

    def _activations(self, image: Tensor) -> Tensor:
        """A (K, h, w) of one image."""
        with reading(self.explanandum, [self.layer_name]) as features:
            self.explanandum(image)
        output = features.get(self.layer_name)
        view = spatial_view(output, (image.shape[-2], image.shape[-1])) if isinstance(output, Tensor) else None
        if view is None:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"layer={self.layer_name!r} returns {got}; name one with an output (N, K, h, w), (N, h, w, K) or "
                "(N, tokens, K)."
            )
        activations = view[0].to(image.dtype)
        if self.channels is not None and self.channels < len(activations):
            strongest = activations.abs().mean((1, 2)).topk(self.channels).indices
            activations = activations[strongest]
        return activations.clone()
