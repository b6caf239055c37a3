"""A classifier and masks of the three colours, whose answers are known by hand."""

from __future__ import annotations

import math

import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.explainers.explainer import Explainer
from explanans.explanations.explanation import Explanation
from explanans.images.preprocessing import Preprocessing

CLASSES = ("red", "green", "blue")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


class MeanColour(nn.Module):
    """A class's logit is 4 · the mean of its channel, −4 … 4; NaN on white."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.grads: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.grads.append(torch.is_grad_enabled())
        means = self.dropout(images.mean((2, 3)))
        return torch.where((means == 1).all(1, keepdim=True), torch.nan, 4 * means)


class Channels(nn.Module):
    """A class's mask is its channel, at half the resolution: 0 where it is black, 1 where it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(50.0))
        self.frozen = nn.BatchNorm2d(3, affine=False).eval()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return self.scale * nn.functional.avg_pool2d(images, 2)


def explainer(activation: Activation = "sigmoid", classes: tuple[str, ...] = CLASSES) -> Explainer:
    preprocessing = Preprocessing(size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    explanandum = Explanandum(MeanColour(), classes=classes, activation=activation, preprocessing=preprocessing)
    return Explainer(explanandum, Channels())


def photo(left: tuple[int, int, int], right: tuple[int, int, int], size: tuple[int, int] = (40, 20)) -> Image.Image:
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def one(explanation: Explanation | list[Explanation]) -> Explanation:
    assert isinstance(explanation, Explanation)
    return explanation


def many(explanations: Explanation | list[Explanation]) -> list[Explanation]:
    assert isinstance(explanations, list)
    return explanations
