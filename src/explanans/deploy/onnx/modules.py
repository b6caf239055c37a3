"""What is traced: images or pictures in, masks and, where asked for, probabilities out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.deploy.onnx.finish import Finish
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.ops.refinement import enlarge


class FromImages(nn.Module):
    """Images (N, channels, H, W) → masks (N, K, H, W), before them the probabilities (N, C) where these are wanted.

    Args:
        explainer: whose network may be :func:`narrowed <explanans.explainers.networks.heads.narrowed>`.
        classes: for how many classes it answers; None for all.
        finish: what finishes each mask on its own picture; None leaves them as the network makes them.
        probabilities: whether they are wanted.
    """

    def __init__(
        self,
        explainer: Explainer,
        classes: int | None = None,
        finish: Finish | None = None,
        probabilities: bool = False,
    ) -> None:
        super().__init__()
        self.explainer, self.classes, self.finish, self.wanted = explainer, classes, finish, probabilities

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        images = self.explainer.explanandum.preprocessing.check(images)
        probabilities = None
        if self.wanted or (self.finish is not None and self.finish.competes):
            probabilities, head = self.explainer.answers(images, self.classes)
        else:
            head = self.explainer.head_logits(images, self.classes)
        if self.finish is None:
            masks = enlarge(head, images.shape[-2:]).sigmoid()
        else:
            masks = self.finish(images, head, probabilities)
        return (probabilities, masks) if self.wanted and probabilities is not None else (masks,)


class FromPictures(nn.Module):
    """uint8 pictures (N, height, width, 3) of any size before what is inside: resized, scaled and normalised.

    The resize is bilinear or bicubic with antialiasing, as Pillow's, which rounds to 8 bits afterwards where this does
    not.
    """

    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(self, inner: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.inner = inner
        self.size = [preprocessing.height, preprocessing.width]
        self.mode = preprocessing.interpolation
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, -1, 1, 1))
        # As Pillow makes grey of a colour (ITU-R 601-2).
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))
        self.grey = preprocessing.channels == 1

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        values = pictures.permute(0, 3, 1, 2).float() / 255
        if self.grey:
            values = (values * self.luma).sum(1, keepdim=True)
        if self.mode == "nearest":
            values = functional.interpolate(values, self.size, mode="nearest-exact")
        else:
            values = functional.interpolate(values, self.size, mode=self.mode, antialias=True, align_corners=False)
        return self.inner((values.clamp(0, 1) - self.mean) / self.std)
