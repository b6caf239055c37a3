"""What the classifier makes of what a mask keeps: its own features, averaged over the mask."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import last_spatial_layer, reading
from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError
from explanans.ops.masking import MeanFill, apply_mask
from explanans.utils.devices import like

BINS = 4
"""Of each colour in a histogram."""


class Embedder:
    """Features of cut-outs.

    The photo with all but the kept part hidden behind the mean colour goes through the classifier; the features are
    those of its last layer that knows where things are, averaged over the mask, and of length 1. Of a classifier whose
    layers cannot be watched they are its logits.

    Attributes:
        layer: the name of the layer, or "logits".
    """

    def __init__(self, explanandum: Explanandum, batch_size: int = 16) -> None:
        self.explanandum, self.batch_size = explanandum, batch_size
        try:
            self.layer = last_spatial_layer(explanandum) if explanandum.differentiable else "logits"
        except InputError:
            self.layer = "logits"

    @property
    def device(self) -> torch.device:
        return like(self.explanandum).device

    @torch.no_grad()
    def __call__(self, images: Tensor, kept: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) and masks bool (N, H, W) → (N, K) float32; NaN stays NaN."""
        cut = apply_mask(images, kept, MeanFill()(images))
        parts = zip(cut.split(self.batch_size), kept.split(self.batch_size), strict=True)
        found = [self._of(some, mask) for some, mask in parts]
        return functional.normalize(torch.cat(found).float(), dim=1)

    def _of(self, images: Tensor, kept: Tensor) -> Tensor:
        images = self.explanandum.laid_out(images)
        if self.layer == "logits":
            return self.explanandum(images)
        with reading(self.explanandum, [self.layer]) as features:
            self.explanandum(images)
        view = spatial_view(features[self.layer], (images.shape[2], images.shape[3]))
        assert view is not None
        weights = functional.adaptive_avg_pool2d(kept.to(view.dtype)[:, None], (view.shape[2], view.shape[3]))
        return (view * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=torch.finfo(view.dtype).tiny)


def colours(pixels: Tensor, kept: Tensor) -> Tensor:
    """Histograms (N, 64) of the colours that masks keep, each sums to 1 (0 for an empty mask): 4 × 4 × 4 bins of RGB.

    Args:
        pixels: RGB (N, 3, H, W) in [0, 1].
        kept: bool (N, H, W).
    """
    digits = (pixels * BINS).long().clamp(0, BINS - 1)
    bins = (digits[:, 0] * BINS + digits[:, 1]) * BINS + digits[:, 2]
    counts = torch.zeros(len(pixels), BINS**3, device=pixels.device)
    counts.scatter_add_(1, bins.flatten(1), kept.flatten(1).float())
    return counts / counts.sum(1, keepdim=True).clamp(min=1)
