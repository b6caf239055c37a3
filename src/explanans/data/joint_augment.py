"""A random change of a picture that takes its segmentation and its maps along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from explanans.errors import InputError

Augment = Callable[..., Any]
"""Of ``tv_tensors``, as a transform of torchvision.transforms.v2 is; see :func:`apply_augment`."""


def apply_augment(
    augment: Augment, image: Tensor, segmentation: Tensor | None, maps: Tensor | None = None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """``augment`` on a uint8 picture (3, H, W) and, jointly, its segmentation (H, W) and maps (P, h, w).

    Maps are enlarged to the picture's size for it and reduced again, each time to the nearest pixel.

    Raises:
        InputError: it changes size or type, which is for ``preprocessing`` to do.
    """
    size = None if maps is None else list(maps.shape[-2:])
    masks = [] if segmentation is None else [segmentation]
    if maps is not None and len(maps):
        masks.append(transforms.resize(maps, list(image.shape[-2:]), interpolation=InterpolationMode.NEAREST_EXACT))
    given: list[Tensor] = [tv_tensors.Image(image), *map(tv_tensors.Mask, masks)]
    result = augment(*given)
    moved = list(result) if masks else [result]
    for before, after in zip(given, moved, strict=True):
        if after.shape != before.shape or after.dtype != before.dtype:
            raise InputError(
                f"augment turned {before.dtype} {tuple(before.shape)} into {after.dtype} {tuple(after.shape)}; it must "
                "keep type and size: end it with a crop or a resize to the input size, and leave the conversion to "
                "float and the normalisation to preprocessing."
            )
    plain = [after.as_subclass(Tensor) for after in moved]
    if size is not None and maps is not None and len(maps):
        maps = transforms.resize(plain[-1], size, interpolation=InterpolationMode.NEAREST_EXACT)
    return plain[0], None if segmentation is None else plain[1], maps
