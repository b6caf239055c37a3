"""An Explainer as one method among others."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.methods.base import listed
from explanans.ops.targets import Target, multi_hot
from explanans.utils.modes import evaluating


@listed("rtis", "RTIS", "raw")
@listed("explainer", "Explainer", "raw")
class ExplainerMethod(nn.Module):
    """The masks of a trained Explainer, in [0, 1]; those of classes that were not asked for are zero.

    One forward pass per batch, whatever the number of classes; not recorded by autograd. The Explainer is taken as it
    is now, with its batch norms folded (:meth:`explanans.Explainer.folded`).

    Args:
        explanandum: the classifier that is to be explained.
        explainer: trained for this classifier; or the folder or hub name of a saved one.

    Raises:
        InputError: the Explainer was trained for another classifier.
    """

    def __init__(self, explanandum: Explanandum, explainer: Explainer | str | Path) -> None:
        super().__init__()
        if not isinstance(explainer, Explainer):
            explainer = Explainer.from_pretrained(str(explainer), explanandum=explanandum)
        expected, got = explanandum.weights_hash, explainer.explanandum.weights_hash
        if got != expected:
            raise InputError(
                f"explainer: was trained for another classifier (weights' hash {got[:12]}…) than the one to be "
                f"explained ({expected[:12]}…); its masks would explain something else."
            )
        self.explainer = explainer.folded()

    def forward(self, images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        """Normalised images (N, 3, H, W) and targets → masks (N, C, H, W)."""
        asked = multi_hot(targets, self.explainer.classes, len(images), images.device)
        with torch.no_grad(), evaluating(self.explainer):
            return self.explainer(images).masked_fill(~asked[:, :, None, None], 0)
