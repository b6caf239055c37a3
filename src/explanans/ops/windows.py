"""Overlapping tiles of a picture, and weights with which what is said of them becomes one."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor


def places(length: int, tile: int, overlap: float) -> list[int]:
    """Where tiles begin along a side, so that they cover it: evenly, each reaching at least ``overlap`` (a share of a
    tile, in [0, 1)) into the next. One tile where the side is no longer than it."""
    if length <= tile:
        return [0]
    step = max(1, math.floor(tile * (1 - overlap)))
    count = math.ceil((length - tile) / step) + 1
    return [round(number * (length - tile) / (count - 1)) for number in range(count)]


def windows(starts: list[int], tile: int, length: int) -> Tensor:
    """Weights (tiles, tile) along a side that sum to one at each of its pixels.

    sin² over what two tiles share, from 0 at a tile's border, so that none begins or ends with a step; divided by their
    sum, which differs from 1 at the sides of the picture and where more than two tiles meet.
    """
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    shared = tile - max(gaps, default=tile)
    inward = torch.arange(tile, dtype=torch.float64) + 0.5
    inward = torch.minimum(inward, tile - inward)
    ramp = torch.sin((inward / max(shared, 1)).clamp(max=1) * math.pi / 2) ** 2 if shared else torch.ones_like(inward)
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + tile] += ramp
    return torch.stack([ramp / total[start : start + tile] for start in starts]).float()
