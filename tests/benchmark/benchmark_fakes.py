"""Methods that do what a benchmark has to live with; ``register`` lists them among the real ones."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.methods import METHODS, Entry

CALLS: list[int] = []
"""Images in each call of a method, in order."""

SEEDS: list[int] = []
"""Of the generators that ``Noise`` was given, in order."""

LIMITS: dict[str, int] = {}
""""interrupt": the call at which somebody presses Ctrl-C."""


class Evidence:
    """Masks in [0, 1] that follow from the image alone."""

    def __init__(self, explanandum: Explanandum, scale: float = 1.0) -> None:
        self.explanandum, self.scale = explanandum, scale

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        CALLS.append(len(images))
        if len(CALLS) == LIMITS.get("interrupt"):
            raise KeyboardInterrupt
        maps = images.mean(1, keepdim=True).sigmoid() * self.scale
        return maps * targets[:, :, None, None].to(images)


class Fails(Evidence):
    """Has no map for images brighter than ``above``."""

    def __init__(self, explanandum: Explanandum, above: float, scale: float = 1.0) -> None:
        super().__init__(explanandum, scale)
        self.above = above

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if (images.mean((1, 2, 3)) > self.above).any():
            raise RuntimeError("no layer for so bright an image")
        return super().__call__(images, targets, generator)


class Nan(Fails):
    """Its map holds a NaN for images brighter than ``above``."""

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        maps = Evidence.__call__(self, images, targets, generator)
        maps[images.mean((1, 2, 3)) > self.above, :, 3, 3] = torch.nan
        return maps


class Noise:
    """Draws its maps, and takes its time."""

    def __init__(self, explanandum: Explanandum, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        CALLS.append(len(images))
        if generator is not None:
            SEEDS.append(generator.initial_seed())
        time.sleep(self.seconds)
        maps = torch.rand(*targets.shape, *images.shape[-2:], generator=generator)
        return maps * targets[:, :, None, None].to(images)


class Asks:
    """Asks the classifier three times for each image, and for one gradient."""

    def __init__(self, explanandum: Explanandum) -> None:
        self.explanandum = explanandum

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.explanandum(torch.cat([images, images]))
        with torch.enable_grad():
            watched = images.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.explanandum(watched).sum(), watched)
        return gradient.abs().sum(1, keepdim=True) * targets[:, :, None, None].to(images)


class Module(nn.Module):
    """Notes whether it is trained, and whether gradients are on, when it is asked."""

    def __init__(self, explanandum: Explanandum) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.Dropout(0.5)
        self.modes: list[bool] = []

    def forward(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.modes += [self.dropout.training, torch.is_grad_enabled()]
        return images.mean(1, keepdim=True).sigmoid() * targets[:, :, None, None].to(images)


def entries() -> dict[str, Any]:
    kinds = {"evidence": Evidence, "fails": Fails, "nan": Nan, "noise": Noise, "module": Module}
    listed = {name: Entry(f"the {name}", kind, "raw") for name, kind in kinds.items()}
    return {**listed, "asks": Entry("the asking", Asks)}


def register() -> None:
    METHODS.update(entries())
