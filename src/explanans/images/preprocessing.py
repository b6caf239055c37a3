"""From a picture to a classifier's input tensor and back: the one place that knows size, mean and std."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from explanans.errors import InputError
from explanans.utils.typed import convert

BEYOND = 5
"""Images are refused whose values are so many times as large as those of any picture."""

LARGEST = 8192
"""Pixels of a side that a classifier may want."""


class NotNormalisedWarning(UserWarning):
    """Images look like pixels that were never normalised."""


INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def _numbers(name: str, value: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in value)
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"Preprocessing: {name}={value!r}; give finite numbers.")
    if len(numbers) not in (1, 3):
        raise InputError(
            f"Preprocessing: {name}={value!r} has {len(numbers)} numbers; give one for each of R, G, B, or a single "
            "one for a classifier of grey pictures."
        )
    return numbers


@dataclass(frozen=True)
class Preprocessing:
    """Whole picture → (channels, height, width) float tensor, (value / 255 − mean) / std per channel.

    The whole picture is resized to the input size without cropping (the paper's protocol), so that a mask covers
    everything that the picture shows.

    Args:
        size: height and width of the input in pixels; one number means a square.
        mean: per channel, on the scale where black is 0 and white is 1: three numbers, or one for a classifier of grey
            pictures (then colours become luma, ITU-R 601-2).
        std: per channel, same scale; above 0.
        interpolation: one of "nearest", "bilinear", "bicubic"; always with antialiasing when it shrinks.
    """

    size: int | tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        sides = (self.size, self.size) if isinstance(self.size, int) else tuple(int(s) for s in self.size)
        if len(sides) != 2 or min(sides) < 1 or max(sides) > LARGEST:
            raise InputError(
                f"Preprocessing: size={self.size!r}; give the side of a square or (height, width) in pixels, of 1 to "
                f"{LARGEST}."
            )
        object.__setattr__(self, "size", sides)
        object.__setattr__(self, "mean", _numbers("mean", self.mean))
        object.__setattr__(self, "std", _numbers("std", self.std))
        if len(self.mean) != len(self.std):
            raise InputError(
                f"Preprocessing: mean={self.mean} and std={self.std} differ in length; give one per channel."
            )
        if min(self.std) <= 0:
            raise InputError(f"Preprocessing: std={self.std} must be above 0 in every channel.")
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(f"Preprocessing: interpolation={self.interpolation!r}; take one of {INTERPOLATIONS}.")

    @property
    def channels(self) -> int:
        """3 (RGB) or 1 (grey)."""
        return len(self.mean)

    @property
    def height(self) -> int:
        return self.size[0]  # type: ignore[index]

    @property
    def width(self) -> int:
        return self.size[1]  # type: ignore[index]

    def resize(self, picture: Image.Image) -> Tensor:
        """An RGB picture of any size → uint8 tensor (channels, height, width)."""
        mode = InterpolationMode(self.interpolation)
        resized = transforms.resize(picture, [self.height, self.width], interpolation=mode, antialias=True)
        return transforms.pil_to_tensor(resized if self.channels == 3 else resized.convert("L"))

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 (…, channels, H, W) in [0, 255] or float in [0, 1] → float32, zero at the data set's mean colour."""
        if pixels.dtype == torch.uint8:
            # In place: with a batch of pictures each further copy is as slow as the arithmetic.
            values = pixels.float().div_(255)
            return values.sub_(self.statistics("mean", values)).div_(self.statistics("std", values))
        return (pixels - self.statistics("mean", pixels)) / self.statistics("std", pixels)

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Inverse of :meth:`normalise`: (…, channels, H, W) → RGB (…, 3, H, W) in [0, 1] (clipped there)."""
        values = (inputs * self.statistics("std", inputs) + self.statistics("mean", inputs)).clamp(0, 1)
        return values if self.channels == 3 else values.expand(*values.shape[:-3], 3, *values.shape[-2:])

    def check(self, images: Any) -> Tensor:
        """``images``, if they may be a batch of normalised ones.

        Values far outside of what a normalised picture can have (0 … 255) are refused. Values that all lie in [0, 1],
        as those of pixels do, are taken with a warning, since a bright picture can have them.

        Raises:
            InputError: something else than a tensor (N, channels, H, W), or values that were never normalised.
        """
        if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != self.channels:
            got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise InputError(
                f"images: got {got}; give a tensor of normalised images (N, {self.channels}, H, W): "
                "preprocessing(picture)[None] makes one of a picture. explain(…) takes pictures."
            )
        # A graph that is being written has no values.
        if not images.numel() or torch.jit.is_tracing() or torch.compiler.is_compiling():
            return images
        low, high = (float(value) for value in images.detach().aminmax())
        bounds = [(end - mean) / std for mean, std in zip(self.mean, self.std, strict=True) for end in (0, 1)]
        how = "explanandum.preprocessing.normalise takes pixels, uint8 or floats in [0, 1]"
        if max(-low, high) > BEYOND * max(map(abs, bounds)):
            raise InputError(
                f"images: values from {low:g} to {high:g}, where normalised ones lie in [{min(bounds):.2g}, "
                f"{max(bounds):.2g}]; {how}."
            )
        if low >= 0 and 0.9 <= high <= 1 and min(bounds) < -0.1:
            warnings.warn(
                f"images: all values lie in [0, 1], as pixels do before they are normalised; {how}.",
                NotNormalisedWarning,
                stacklevel=3,
            )
        return images

    def statistics(self, which: str, like: Tensor) -> Tensor:
        """``mean`` or ``std`` as (channels, 1, 1) on the device and in the dtype of ``like``."""
        return torch.tensor(getattr(self, which), device=like.device, dtype=like.dtype).view(-1, 1, 1)

    def __call__(self, picture: Image.Image) -> Tensor:
        """An RGB picture of any size → (channels, height, width) float32, ready for the classifier."""
        return self.normalise(self.resize(picture))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Preprocessing:
        """What :meth:`to_dict` gave, from JSON.

        Raises:
            InputError: something else.
        """
        return convert(config, cls, "preprocessing")
