"""A small network without ImageNet weights, for small pictures and quick trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.errors import InputError
from explanans.explainers.networks.encoders import EncoderWeights, copy_weights, require_multiple
from explanans.explainers.networks.fpn import mask_head
from explanans.explainers.networks.heads import ClassHead, Heads, factored, sum_of_heads
from explanans.ops.class_maps import ClassMaps
from explanans.ops.refinement import enlarge

# Channels in the decoder: outlines need more of them than the encoder's first levels have.
NARROWEST = 32


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class PlainEncoder(nn.Module):
    """Two 3×3 convolutions per level; features at strides 2, 4, 8, …"""

    def __init__(self, widths: Sequence[int] = (24, 32, 48, 96)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.levels = nn.ModuleList(
            nn.Sequential(_convolution(before, after, stride=2), _convolution(after, after))
            for before, after in zip((3, *widths[:-1]), widths, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for level in self.levels:
            features.append(level(features[-1] if features else images))
        return features


class SmallResNetEncoder(nn.Module):
    """The trunk of :class:`~explanans.classifiers.small_resnet.SmallResNet`, with the same parameter names."""

    def __init__(self) -> None:
        super().__init__()
        trunk = SmallResNet(1)
        self.widths = trunk.widths
        self.stem, self.blocks = trunk.stem, trunk.blocks

    def forward(self, images: Tensor) -> list[Tensor]:
        level = self.stem(images)
        features: list[Tensor] = []
        for block in self.blocks:
            level = block(level)
            features.append(level)
        return features


class Compact(nn.Module):
    """Encoder-decoder with skip connections (U-Net, Ronneberger et al. 2015), about 0.4 M parameters.

    Images (N, 3, H, W) → logits (N, C, H/2, W/2); H and W multiples of 16.
    """

    multiple = 16

    def __init__(self, num_classes: int, encoder: PlainEncoder | SmallResNetEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        *skips, level = encoder.widths
        self.up = nn.ModuleList()
        for skip in reversed(skips):
            width = max(skip, NARROWEST)
            self.up.append(nn.Sequential(_convolution(level + skip, width), _convolution(width, width)))
            level = width
        self.head = mask_head(level, num_classes)
        # Straight from the deepest features, which know the class from the first step on where they are a classifier's.
        self.coarse = ClassHead(encoder.widths[-1], num_classes, 1)
        nn.init.zeros_(self.coarse.weight)
        nn.init.zeros_(self.coarse.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def copy_head(self, weight: Tensor, bias: Tensor) -> None:
        """Start from the logits that the classifier has at every position of its last features."""
        if weight.shape == self.coarse.weight.shape[:2]:
            self.coarse.weight.copy_(weight[:, :, None, None])
            self.coarse.bias.copy_(bias)  # type: ignore[union-attr]

    def forward(self, images: Tensor) -> Tensor:
        return sum_of_heads(self._heads(images))

    def maps(self, images: Tensor) -> ClassMaps:
        """The same logits, class by class."""
        return factored(self._heads(images))

    def _heads(self, images: Tensor) -> Heads:
        require_multiple(images.shape[-2], images.shape[-1], self.multiple)
        *features, deepest = self.encoder(images)
        level = deepest
        for block, skip in zip(self.up, reversed(features), strict=True):
            level = block(torch.cat([enlarge(level, skip.shape[-2:]), skip], dim=1))
        return [(self.head, level), (self.coarse, deepest)]


def compact(encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> nn.Module:
    """``compact`` starts from random weights; ``compact/small_resnet`` can take a classifier's trunk."""
    if encoder == "":
        return Compact(num_classes, PlainEncoder())
    if encoder != "small_resnet":
        raise InputError(f"network='compact/{encoder}': take 'compact' or 'compact/small_resnet'.")
    if encoder_weights == "published":
        raise InputError(
            "encoder_weights='published': small_resnet has none; take 'explanandum' for the classifier's own, or null."
        )
    trunk = SmallResNetEncoder()
    if isinstance(encoder_weights, Mapping):
        copy_weights(trunk, encoder_weights)
    network = Compact(num_classes, trunk)
    if isinstance(encoder_weights, Mapping) and "head.weight" in encoder_weights:
        network.copy_head(encoder_weights["head.weight"], encoder_weights["head.bias"])
    return network
