from __future__ import annotations

import pytest
import torch
from torch import Tensor


class Halves:
    """A classifier of two classes that can be worked out by hand: the mean of the first channel left and right.

    It takes images of values in [0, 1] and remembers the size of every batch it was asked about.
    """

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        middle = images.shape[3] // 2
        parts = images[:, 0, :, :middle], images[:, 0, :, middle:]
        return torch.stack([part.mean((1, 2)).clamp(0, 1) for part in parts], 1)


@pytest.fixture
def halves() -> Halves:
    return Halves()


@pytest.fixture
def scored() -> tuple[Tensor, Tensor, Tensor]:
    """Masks (8, 12, 9) with ties, both ends and a constant, objects, and which pixels are not void."""
    generator = torch.Generator().manual_seed(3)
    mask = torch.rand(8, 12, 9, generator=generator)
    mask[1] = torch.randint(256, (12, 9), generator=generator) / 255
    mask[2] = torch.randint(4, (12, 9), generator=generator) / 3
    mask[3] = mask[3].round()
    mask[4] = 0.5
    target = torch.rand(8, 12, 9, generator=generator) < 0.3
    valid = torch.rand(8, 12, 9, generator=generator) < 0.8
    return mask, target, valid
