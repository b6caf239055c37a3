"""A method whose maps are cut into masks before they are scored, as ``explanans explain`` cuts them."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.cut import areas_of, choose_cuts
from explanans.methods import Method
from explanans.methods.base import PairMethod, pairs_of


class CutMaps(PairMethod):
    """Masks of ``method``, each cut by :func:`~explanans.explanations.cut.choose_cuts`.

    Attributes:
        method: whose maps (P, H, W) are cut; made for ``explanandum``.
        batch_size: masked images in one forward pass.
    """

    def __init__(self, explanandum: Explanandum, method: Method, batch_size: int = 16) -> None:
        self.explanandum, self.method, self.batch_size = explanandum, method, batch_size
        self.asks_often = getattr(method, "asks_often", False)

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = pairs_of(self.method, images, asked, generator).detach()
        whole = self.explanandum.probabilities(images)
        areas = areas_of(self.method)
        return choose_cuts(self.explanandum, images, maps, asked, whole, areas=areas, batch_size=self.batch_size)


def without_cut(method: Method) -> Method:
    """What a method is before its maps are cut."""
    return method.method if isinstance(method, CutMaps) else method
