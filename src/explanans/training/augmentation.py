"""Named augmentations: torchvision transforms that move a picture and its segmentation together."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

Augmentation = Literal["none", "flip", "turn", "crop"]
CROPPED = 0.7


class QuarterTurns(v2.Transform):
    """Turn square pictures by 0, 90, 180 or 270 degrees, each as likely."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"turns": int(torch.randint(4, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return tv_tensors.wrap(torch.rot90(inpt, params["turns"], (-2, -1)), like=inpt)


def augmentation(name: Augmentation, preprocessing: Preprocessing) -> nn.Module | None:
    """A transform from its name.

    - "none": the picture as it is (the paper).
    - "flip": mirrored left to right with probability 1/2.
    - "turn": mirrored, and turned by a multiple of 90 degrees; for square inputs in which no side is up.
    - "crop": in 70 % of the cases a random crop of 50 to 100 % of the area with sides 3:4 to 4:3, resized back (the
      others stay whole, as the pictures are that will be classified); mirrored; brightness, contrast and saturation
      changed by up to a fifth.
    """
    if name == "none":
        return None
    if name == "flip":
        return v2.RandomHorizontalFlip()
    if name == "turn":
        if preprocessing.height != preprocessing.width:
            raise InputError(f"augment='turn' needs a square input, not {preprocessing.height}x{preprocessing.width}.")
        return v2.Compose([v2.RandomHorizontalFlip(), QuarterTurns()])
    if name == "crop":
        size = (preprocessing.height, preprocessing.width)
        return v2.Compose(
            [
                v2.RandomApply([v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True)], p=CROPPED),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            ]
        )
    raise InputError(f"augment={name!r}; take one of {', '.join(get_args(Augmentation))}.")
