"""Pictures with nothing on them: what teaches a classifier that a hidden picture holds no class.

A fine-tuned classifier may be nearly certain of a class on plain grey, simply because it never saw such a picture.
Every explanation that hides pixels then asks it about something it answers at random. Both functions here change
pictures, in training only.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from explanans.images.preprocessing import Preprocessing
from explanans.ops.masking import make_fill

GRID = 7


def blank_pictures(
    images: Tensor, count: int, preprocessing: Preprocessing, generator: torch.Generator | None = None
) -> Tensor:
    """``count`` pictures without content, (count, 3, H, W): in turn

    the mean colour, a random flat colour, a random colour with noise of standard deviation 0.11, and one of ``images``
    blurred beyond recognition (3×3 cells).
    """
    size = images.shape[-2:]
    which = torch.randint(len(images), (count,), generator=generator, device=images.device)
    flat = _colours(images[which], preprocessing, generator).expand(-1, -1, *size)
    blurred = functional.interpolate(functional.adaptive_avg_pool2d(images[which], 3), size, mode="bilinear")
    noisy = make_fill("noise", preprocessing)(images[which], generator)
    kinds = torch.stack([torch.zeros_like(flat), flat, noisy, blurred])
    first = int(torch.randint(len(kinds), (), generator=generator, device=images.device))
    order = (torch.arange(count, device=images.device) + first) % len(kinds)
    return kinds[order, torch.arange(count, device=images.device)]


def hide_cells(
    images: Tensor,
    preprocessing: Preprocessing,
    *,
    share: float = 0.5,
    largest: float = 0.5,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Random cells of a 7×7 grid hidden in a ``share`` of the images, up to ``largest`` of the cells of each.

    Hidden cells take the mean colour or, in every second image on average, a random flat one. Labels stay: so much is
    left of the picture that they are nearly always still true.
    """
    count = len(images)

    def uniform(*shape: int) -> Tensor:
        return torch.empty(shape, device=images.device, dtype=images.dtype).uniform_(generator=generator)

    chosen = uniform(count, 1, 1, 1) < share
    hidden = (uniform(count, 1, GRID, GRID) < largest * uniform(count, 1, 1, 1)) & chosen
    cells = functional.interpolate(hidden.to(images.dtype), images.shape[-2:], mode="nearest")
    colours = _colours(images, preprocessing, generator) * (uniform(count, 1, 1, 1) < 0.5)
    return torch.lerp(images, colours.expand_as(images), cells.expand_as(images))


def _colours(images: Tensor, preprocessing: Preprocessing, generator: torch.Generator | None) -> Tensor:
    """A random colour for each image, normalised, (N, 3, 1, 1)."""
    return preprocessing.normalise(images.new_empty(*images.shape[:2], 1, 1).uniform_(generator=generator))
