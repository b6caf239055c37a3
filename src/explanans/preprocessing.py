"""From a picture to a classifier's input tensor and back: the one place that knows size, mean and std."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from explanans.errors import InputError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def _triple(name: str, value: Sequence[float]) -> tuple[float, float, float]:
    numbers = tuple(float(v) for v in value)
    if len(numbers) != 3:
        raise InputError(f"Preprocessing: {name}={value!r} has {len(numbers)} numbers; give one for each of R, G, B.")
    return numbers[0], numbers[1], numbers[2]


@dataclass(frozen=True)
class Preprocessing:
    """Whole picture → (3, height, width) float tensor, (value / 255 − mean) / std per channel.

    The whole picture is resized to the input size without cropping (the paper's protocol), so that a mask covers
    everything that the picture shows.

    Args:
        size: height and width of the input in pixels; one number means a square.
        mean: per channel, on the scale where black is 0 and white is 1.
        std: per channel, same scale; above 0.
        interpolation: one of "nearest", "bilinear", "bicubic"; always with antialiasing when it shrinks.
    """

    size: int | tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        sides = (self.size, self.size) if isinstance(self.size, int) else tuple(int(s) for s in self.size)
        if len(sides) != 2 or min(sides) < 1:
            raise InputError(
                f"Preprocessing: size={self.size!r}; give the side of a square or (height, width) in pixels."
            )
        object.__setattr__(self, "size", sides)
        object.__setattr__(self, "mean", _triple("mean", self.mean))
        object.__setattr__(self, "std", _triple("std", self.std))
        if min(self.std) <= 0:
            raise InputError(f"Preprocessing: std={self.std} must be above 0 in every channel.")
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(f"Preprocessing: interpolation={self.interpolation!r}; take one of {INTERPOLATIONS}.")

    @property
    def height(self) -> int:
        return self.size[0]  # type: ignore[index]

    @property
    def width(self) -> int:
        return self.size[1]  # type: ignore[index]

    def resize(self, picture: Image.Image) -> Tensor:
        """An RGB picture of any size → uint8 tensor (3, height, width)."""
        mode = InterpolationMode(self.interpolation)
        resized = transforms.resize(picture, [self.height, self.width], interpolation=mode, antialias=True)
        return transforms.pil_to_tensor(resized)

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 (…, 3, H, W) in [0, 255] or float in [0, 1] → float32, zero at the data set's mean colour."""
        values = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        return (values - self.statistics("mean", values)) / self.statistics("std", values)

    def denormalise(self, inputs: Tensor) -> Tensor:
        """Inverse of :meth:`normalise`: (…, 3, H, W) → RGB in [0, 1] (clipped there)."""
        return (inputs * self.statistics("std", inputs) + self.statistics("mean", inputs)).clamp(0, 1)

    def statistics(self, which: str, like: Tensor) -> Tensor:
        """``mean`` or ``std`` as (3, 1, 1) on the device and in the dtype of ``like``."""
        return torch.tensor(getattr(self, which), device=like.device, dtype=like.dtype).view(3, 1, 1)

    def __call__(self, picture: Image.Image) -> Tensor:
        """An RGB picture of any size → (3, height, width) float32, ready for the classifier."""
        return self.normalise(self.resize(picture))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Preprocessing:
        return cls(
            **{**config, "size": tuple(config["size"]) if not isinstance(config["size"], int) else config["size"]}
        )
