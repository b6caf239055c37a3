"""Guides that are made once for a picture, before a training: what the classifier says of where each label is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from explanans.methods.spread_cam import SpreadCAM
from explanans.ops.refinement import compete, stretch

VOID = 255
"""Of a guide in 8 bit: here nothing is to be learned."""

LEVELS = 254
"""The others run from 0 to this."""

Contested = Literal["all", "strongest"]


def seen_often(
    guide: SpreadCAM, images: Tensor, asked: Tensor, size: tuple[int, int], scales: Sequence[float]
) -> Tensor:
    """Maps (P, h, w) of :meth:`SpreadCAM.at`, averaged over scales and over the picture and its mirror image.

    Each map is stretched from 0 to 1.
    """
    total = images.new_zeros(int(asked.sum()), *size)
    for scale in scales:
        total = total + guide.at(images, asked, size, scale=scale)
        total = total + guide.at(images.flip(-1), asked, size, scale=scale).flip(-1)
    return stretch(total)


def in_eight_bits(maps: Tensor, image: Tensor, sure: float, contested: Contested) -> Tensor:
    """Maps (P, h, w) in [0, 1] as uint8 0 … 254, and 255 where one is not to be trusted.

    Args:
        maps: a value above 1/2 is for the class.
        image: (P,), the number of the image that each map belongs to.
        sure: values between 1 − ``sure`` and ``sure`` are not trusted; 1/2 trusts all.
        contested: where maps of two classes of an image are both at least 1/2, "all" trusts both, "strongest" the
            higher alone.
    """
    unsure = (maps > 1 - sure) & (maps < sure)
    if contested == "strongest" and len(maps):
        # What compete lowers is where another map of the same image is higher.
        unsure |= (maps >= 0.5) & (compete(maps, image) < maps * (1 - 1e-4))
    return (maps.clamp(0, 1) * LEVELS).round().to(torch.uint8).masked_fill(unsure, VOID)
