"""What an image processor of transformers does to a picture, as a Preprocessing."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from explanans.images.preprocessing import Preprocessing

_RESAMPLING = {
    int(Image.Resampling.NEAREST): "nearest",
    int(Image.Resampling.BILINEAR): "bilinear",
    int(Image.Resampling.BICUBIC): "bicubic",
}
Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
BLUISH: Colour = (51, 102, 204)


class InexpressibleError(Exception):
    """A processor does what size, mean, std and interpolation cannot say; the message goes on after "its processor"."""


def read_processor(processor: Any) -> tuple[Preprocessing, bool]:
    """What the processor does, and whether it turns red, green, blue into blue, green, red.

    It is asked for the pixels of flat pictures, because its settings do not tell all: EfficientNet's divides by the
    deviation twice, MobileViT's exchanges colours and knows no mean. Where it crops, the whole picture is resized to
    the crop's size instead, as for every classifier here: a mask covers all that a picture shows.
    """
    if _setting(processor, "do_resize") is False and not _setting(processor, "do_center_crop"):
        raise InexpressibleError("takes pictures of any size")
    (black, size), (white, _), (bluish, _) = (_centre(processor, colour) for colour in (BLACK, WHITE, BLUISH))
    if not (white > black).all():
        raise InexpressibleError("does not make brighter pixels of brighter pictures")
    std = 1 / (white - black)
    mean = -black * std
    seen = torch.tensor(BLUISH).double() / 255
    found = [bgr for bgr in (False, True) if ((seen.flip(0) if bgr else seen) - bluish * std - mean).abs().max() < 1e-2]
    if not found:
        raise InexpressibleError("does more to colours than a mean and a deviation for each can say")
    order = (2, 1, 0) if found[0] else (0, 1, 2)
    means, stds = (tuple(round(float(values[index]), 6) for index in order) for values in (mean, std))
    return Preprocessing(size, means, stds, _interpolation(processor)), found[0]


def _centre(processor: Any, colour: Colour) -> tuple[Tensor, tuple[int, int]]:
    """Values in the middle of a picture of one colour, and the size of what became of it."""
    pixels = processor(Image.new("RGB", (64, 64), colour), return_tensors="pt")["pixel_values"]
    if not isinstance(pixels, Tensor) or pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
        raise InexpressibleError(f"makes {tuple(getattr(pixels, 'shape', ()))} of a picture, not (1, 3, H, W)")
    height, width = pixels.shape[2:]
    return pixels[0, :, height // 2, width // 2].double(), (height, width)


def _interpolation(processor: Any) -> str:
    # A model of timm inside transformers keeps timm's own names.
    resample = (getattr(processor, "data_config", None) or {}).get("interpolation", _setting(processor, "resample"))
    name = resample if isinstance(resample, str) else _RESAMPLING.get(2 if resample is None else int(resample))
    if name is None or name not in _RESAMPLING.values():
        raise InexpressibleError(f"resamples by {resample!s}, not by one of {', '.join(_RESAMPLING.values())}")
    return name


def _setting(processor: Any, name: str) -> Any:
    return processor.to_dict().get(name, getattr(processor, name, None))
