"""A residual network small enough to be trained from scratch on one processor core in a minute or two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (He et al. 2016, with the average-pooled shortcut of ResNet-D)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.body(features) + self.shortcut(features))


class SmallResNet(nn.Module):
    """Images (N, ``channels``, H, W) → logits (N, C), stride 16, about 0.3 M parameters.

    Every position has logits of its own, z = W f + b, and an image's logit is their soft maximum
    log mean_p exp z_p (Pinheiro & Collobert 2015): one object is enough for its class, wherever it stands, which trains
    much faster than averaged features when pictures hold several objects.
    """

    def __init__(self, num_classes: int, widths: Sequence[int] = (16, 32, 64, 128), channels: int = 3) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(before, after, stride=1 if index == 0 else 2)
                for index, (before, after) in enumerate(zip((widths[0], *widths[:-1]), widths, strict=True))
            )
        )
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(self.stem(images))
        # The head's weights as a 1×1 convolution, so that the last spatial layer is that of the features.
        logits = functional.conv2d(features, self.head.weight[:, :, None, None], self.head.bias).float().flatten(2)
        return torch.logsumexp(logits, 2) - math.log(logits.shape[2])
