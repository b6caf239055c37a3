"""A head on the classifier's own frozen features: its answer and all masks come out of one pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import reading
from explanans.classifiers.taps import find_taps, tapped
from explanans.errors import InputError
from explanans.explainers.networks.fpn import Smooth, mask_head
from explanans.explainers.networks.heads import Heads, factored, sum_of_heads
from explanans.ops.class_maps import ClassMaps
from explanans.ops.refinement import enlarge
from explanans.utils.query_options import split_options
from explanans.utils.typed import Count


class _Shared:
    """Keeps the classifier out of the head's parameters, state and copies: it has one owner, the Explainer."""

    def __init__(self, explanandum: Explanandum) -> None:
        self.explanandum = explanandum

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        # A copy of the whole Explainer has copied its classifier first: its head reads that one.
        return _Shared(memo.get(id(self.explanandum), self.explanandum))


class Level(nn.Module):
    """Features of one layer, and what comes from the coarser level, brought to ``width`` channels and smoothed."""

    def __init__(self, channels: int, coarser: int | None, width: int, depth: int) -> None:
        super().__init__()
        self.lateral = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
        # Before it is enlarged, where positions are few.
        self.narrow = nn.Conv2d(coarser, width, 1) if coarser not in (None, width) else nn.Identity()
        self.smooth = nn.Sequential(*(Smooth(width) for _ in range(depth)))

    def forward(self, features: Tensor, coarser: Tensor | None) -> Tensor:
        level = self.lateral(features)
        return self.smooth(level if coarser is None else level + enlarge(self.narrow(coarser), level.shape[-2:]))


class TrunkHead(nn.Module):
    """A light feature pyramid (Lin et al. 2017) over layers of the Explanandum, which stays as it is.

    Images (N, 3, H, W) → logits (N, C, h, w) on the finest grid that is read, 4 pixels per position for a CNN. The
    finest level has many positions, so it is a third as wide: it moves edges, it does not tell classes apart.

    Args:
        explanandum: the classifier; not a part of this module's state.
        width: channels of the pyramid.
        depth: depthwise-separable convolutions on each level but the finest, which has one.
    """

    def __init__(self, explanandum: Explanandum, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self._shared = _Shared(explanandum)
        self.taps = find_taps(explanandum)
        self.levels = nn.ModuleList()
        coarser: int | None = None
        for tap in reversed(self.taps):
            finest = tap is self.taps[0] and tap.grid != self.taps[-1].grid
            own = max(8, width // 3) if finest else width
            self.levels.append(Level(tap.channels, coarser, own, 1 if finest else depth))
            coarser = own
        assert coarser is not None
        self.head = mask_head(coarser, explanandum.num_classes)
        # Straight from the deepest features, which know the class from the first step on.
        self.coarse = mask_head(self.taps[-1].channels, explanandum.num_classes, prior=0.5)

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are read, finest first."""
        return [tap.name for tap in self.taps]

    def forward(self, images: Tensor) -> Tensor:
        return self.answer_and_logits(images)[1]

    def answer_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The classifier's logits (N, C) and the mask logits (N, C, h, w), from one pass through the classifier."""
        answer, views = self.answer_and_features(images)
        return answer, self.decode(views)

    def answer_and_features(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The classifier's logits (N, C), and the features of ``layers`` that :meth:`decode` makes masks of."""
        with reading(self._shared.explanandum, self.layers) as features:
            answer = self._shared.explanandum(images)
        return answer, tapped(self.taps, features, images)

    def decode(self, views: list[Tensor]) -> Tensor:
        """Mask logits (N, C, h, w)."""
        return sum_of_heads(self._heads(views))

    def maps(self, images: Tensor) -> ClassMaps:
        """The same logits, class by class."""
        return factored(self._heads(self.answer_and_features(images)[1]))

    def _heads(self, views: list[Tensor]) -> Heads:
        merged: Tensor | None = None
        for view, level in zip(reversed(views), self.levels, strict=True):
            merged = level(view, merged)
        assert merged is not None
        return [(self.head, merged), (self.coarse, views[-1])]


def trunk_head(name: str, explanandum: Explanandum | None) -> TrunkHead:
    """The head that "trunk" or "trunk?width=64&depth=1" names.

    Raises:
        InputError: a setting that it does not have, or no classifier.
    """
    if explanandum is None:
        raise InputError("network='trunk' is a head on a classifier; build it with Explainer(classifier, 'trunk').")
    return TrunkHead(explanandum, **split_options(name, {"width": Count, "depth": Count}, f"network={name!r}")[1])
