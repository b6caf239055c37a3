"""Named augmentations: torchvision transforms that move a picture and its segmentation together."""

from __future__ import annotations

from torch import nn
from torchvision.transforms import v2

from explanans.errors import InputError
from explanans.preprocessing import Preprocessing

AUGMENTATIONS = ("none", "flip", "crop")


def augmentation(name: str, preprocessing: Preprocessing) -> nn.Module | None:
    """A transform from its name.

    - "none": the picture as it is (the paper).
    - "flip": mirrored left to right with probability 1/2.
    - "crop": a random crop of 50 to 100 % of the area with sides 3:4 to 4:3, resized back; mirrored; brightness,
      contrast and saturation changed by up to a fifth.
    """
    if name == "none":
        return None
    if name == "flip":
        return v2.RandomHorizontalFlip()
    if name == "crop":
        size = (preprocessing.height, preprocessing.width)
        return v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            ]
        )
    raise InputError(f"augment={name!r}; take one of {AUGMENTATIONS}.")
