"""Put a mask on an image, and merge class masks into a target and a non-target mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from PIL import ImageColor
from torch import Tensor
from torchvision.transforms import functional as transforms

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing


def merge(masks: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Target mask m = max over c in Y of S_c and non-target mask n = max over c not in Y of S_c (paper, section 3).

    Args:
        masks: class masks S (N, C, H, W) in [0, 1].
        labels: Y, multi-hot (N, C).

    Returns:
        m and n, each (N, H, W). The maximum over no class is the empty mask 0: m of an image without a label, n of an
        image with every label.
    """
    present = labels.bool()[:, :, None, None]
    return masks.masked_fill(~present, 0).amax(1), masks.masked_fill(present, 0).amax(1)


def apply_mask(images: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """x ⊙ m + background ⊙ (1 − m) for images (N, 3, H, W), mask (N, H, W) or (N, 1, H, W), background as images."""
    mask = mask.unsqueeze(1) if mask.ndim == 3 else mask
    return torch.lerp(background, images, mask.to(images.dtype).expand_as(images))


class Fill(Protocol):
    """What hidden pixels become: ``fill(images, generator)`` → background of the images' shape, normalised."""

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor: ...


class MeanFill:
    """The data set's mean colour, which is 0 after normalisation: multiplying by the mask, as the paper does."""

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.zeros_like(images)


class ColourFill:
    """One colour, RGB in [0, 1]."""

    def __init__(self, colour: tuple[float, float, float], preprocessing: Preprocessing) -> None:
        self.colour, self.preprocessing = colour, preprocessing

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        colour = self.colour if self.preprocessing.channels == 3 else (_luma(self.colour),)
        pixel = torch.tensor(colour, device=images.device, dtype=images.dtype).view(-1, 1, 1)
        return self.preprocessing.normalise(pixel).expand_as(images)


class BlurFill:
    """The image itself under a Gaussian blur.

    Args:
        sigma: standard deviation as a share of the shorter side; 10 pixels at 224 (RTIS) are 0.045.
    """

    def __init__(self, sigma: float = 10 / 224) -> None:
        self.sigma = sigma

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        height, width = images.shape[-2:]
        sigma = self.sigma * min(height, width)
        # A wide blur of a quarter-size image is the same picture at a sixteenth of the cost.
        shrink = max(1, min(4, int(sigma / 2))) if min(height, width) >= 32 else 1
        # Processors have no fast kernel for this convolution in bfloat16: it is a hundred times slower there.
        with torch.autocast(images.device.type, enabled=False):
            small = transforms.resize(images, [height // shrink, width // shrink], antialias=True)
            reach = min(int(3 * sigma / shrink), min(small.shape[-2:]) - 1)
            small = transforms.gaussian_blur(small, [2 * reach + 1, 2 * reach + 1], [max(sigma / shrink, 1e-3)] * 2)
            return transforms.resize(small, [height, width], antialias=True)


def _luma(colour: tuple[float, float, float]) -> float:
    """As Pillow makes grey of a colour (ITU-R 601-2)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


class NoiseFill:
    """A random flat colour per image with Gaussian noise on top (Dabkowski & Gal 2017).

    Args:
        std: of the noise, on the scale where black is 0 and white is 1.
    """

    def __init__(self, preprocessing: Preprocessing, std: float = 0.11) -> None:
        self.preprocessing, self.std = preprocessing, std

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        colour = images.new_empty(*images.shape[:2], 1, 1).uniform_(generator=generator)
        noise = torch.empty_like(images).normal_(std=self.std, generator=generator)
        return self.preprocessing.normalise((colour + noise).clamp(0, 1))


class RandomFill:
    """For each image one of several fills, drawn at random, so that no single one can be exploited."""

    def __init__(self, fills: list[Fill]) -> None:
        self.fills = fills

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        choice = torch.randint(len(self.fills), (len(images),), device=images.device, generator=generator)
        background = torch.zeros_like(images)
        for index, fill in enumerate(self.fills):
            chosen = choice == index
            background[chosen] = fill(images[chosen], generator)
        return background


_NAMED: dict[str, Callable[[Preprocessing], Fill]] = {
    "mean": lambda preprocessing: MeanFill(),
    "black": lambda preprocessing: ColourFill((0, 0, 0), preprocessing),
    "blur": lambda preprocessing: BlurFill(),
    "noise": NoiseFill,
}
FILLS = tuple(_NAMED)


def make_fill(name: str, preprocessing: Preprocessing) -> Fill:
    """A fill from its name.

    Args:
        name: "mean", "black", "blur", "noise", a colour ("#ff8800", "white"), or several joined by "+" for one drawn
            per image ("mean+blur+noise").
        preprocessing: of the classifier, since colours live in its normalised space.
    """
    parts = name.split("+")
    if len(parts) > 1:
        return RandomFill([make_fill(part, preprocessing) for part in parts])
    if name in _NAMED:
        return _NAMED[name](preprocessing)
    try:
        red, green, blue = ImageColor.getcolor(name, "RGB")  # type: ignore[misc]
    except ValueError as error:
        raise InputError(f"fill={name!r}; take one of {FILLS}, a colour such as '#808080', or a+b to draw.") from error
    return ColourFill((red / 255, green / 255, blue / 255), preprocessing)
