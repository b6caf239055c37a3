"""A light feature pyramid that trains on two CPU cores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from explanans.explainers.networks.encoders import EncoderWeights, require_multiple, timm_encoder
from explanans.explainers.networks.heads import ClassHead, Heads, factored, sum_of_heads
from explanans.ops.class_maps import ClassMaps

# The prior of a mask pixel before anything is learned; near the share of a picture that an object fills.
PRIOR = 0.25


def mask_head(channels: int, num_classes: int, prior: float = PRIOR) -> ClassHead:
    """1×1 convolution to one logit per class, starting at a flat mask of ``prior``."""
    head = ClassHead(channels, num_classes, 1)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, math.log(prior / (1 - prior)))  # type: ignore[arg-type]
    return head


class Smooth(nn.Sequential):
    """Depthwise-separable 3×3 convolution, batch norm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )


class LightFPN(nn.Module):
    """Feature pyramid (Lin et al. 2017) with depthwise-separable smoothing over an encoder.

    Images (N, 3, H, W) → logits (N, C, H/4, W/4): a quarter of the resolution holds what a classifier's features know,
    and the Explainer enlarges it. The two deepest levels add logits of their own, so that the classes are told apart
    early and the pyramid only has to refine them.

    Args:
        encoder: images → features, finest first.
        channels: of the features.
        num_classes: C.
        multiple: what the sides of the images have to be multiples of.
        width: channels of the pyramid.
    """

    def __init__(
        self, encoder: nn.Module, channels: Sequence[int], num_classes: int, *, multiple: int = 1, width: int = 96
    ) -> None:
        super().__init__()
        self.encoder, self.multiple = encoder, multiple
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(Smooth(width) for _ in channels)
        self.head = mask_head(width, num_classes)
        # Straight from the deepest features, which know the class from the first step on.
        self.coarse = nn.ModuleList(mask_head(count, num_classes, prior=0.5) for count in channels[-2:])

    def forward(self, images: Tensor) -> Tensor:
        return sum_of_heads(self._heads(images))

    def maps(self, images: Tensor) -> ClassMaps:
        """The same logits, class by class."""
        return factored(self._heads(images))

    def _heads(self, images: Tensor) -> Heads:
        require_multiple(images.shape[-2], images.shape[-1], self.multiple)
        features = self.encoder(images)
        merged: Tensor | None = None
        for feature, lateral, smooth in zip(
            reversed(features), reversed(self.lateral), reversed(self.smooth), strict=True
        ):
            level = lateral(feature)
            if merged is not None:
                level = level + functional.interpolate(merged, level.shape[-2:], mode="bilinear", align_corners=False)
            merged = smooth(level)
        assert merged is not None
        return [(self.head, merged), *zip(cast(Iterable[ClassHead], self.coarse), features[-2:], strict=True)]


def light_fpn(encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> nn.Module:
    pyramid = timm_encoder(encoder, encoder_weights, out_indices=(-4, -3, -2, -1))
    info: Any = pyramid.feature_info
    return LightFPN(pyramid, info.channels(), num_classes, multiple=int(max(info.reduction())))
