"""An Explainer as one method among others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Draw, Masker
from explanans.methods.base import PairMethod, listed


@listed("rtis", "RTIS", "raw")
@listed("explainer", "Explainer", "raw")
class ExplainerMethod(PairMethod, Masker):
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

    @property
    def explanandum(self) -> Explanandum:  # type: ignore[override]
        return self.explainer.explanandum

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.explainer.masks_of(images, asked)

    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        return self.explainer.look(images)

    def identity(self) -> dict[str, Any]:
        return self.explainer.identity()

    def made_by(self) -> dict[str, Any]:
        return self.explainer.made_by()
