"""A small network without a pre-trained encoder, for small pictures and quick trials."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.errors import InputError
from explanans.networks.encoders import EncoderWeights, require_multiple
from explanans.networks.fpn import mask_head


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Compact(nn.Module):
    """Encoder-decoder with skip connections (U-Net, Ronneberger et al. 2015), about 0.4 M parameters.

    Images (N, 3, H, W) → logits (N, C, H/2, W/2); H and W multiples of 16.
    """

    multiple = 16

    def __init__(self, num_classes: int, widths: tuple[int, ...] = (24, 32, 48, 96)) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(before, after, stride=2), _convolution(after, after))
            for before, after in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList(
            _convolution(below + skip, skip)
            for below, skip in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True)
        )
        self.head = mask_head(widths[0], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        require_multiple(images.shape[-2], images.shape[-1], self.multiple)
        features: list[Tensor] = []
        for block in self.down:
            features.append(block(features[-1] if features else images))
        level = features.pop()
        for block in self.up:
            skip = features.pop()
            enlarged = functional.interpolate(level, skip.shape[-2:], mode="bilinear", align_corners=False)
            level = block(torch.cat([enlarged, skip], dim=1))
        return self.head(level)


def compact(encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> nn.Module:
    if encoder:
        raise InputError(f"network='compact/{encoder}': this one has no encoder to choose; drop '/{encoder}'.")
    return Compact(num_classes)
