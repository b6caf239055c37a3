"""Superpixels: SLIC (Achanta et al., TPAMI 2012) on the images' device, without another package."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# Linear RGB → XYZ relative to the white of daylight (D65), row by row.
_XYZ = (
    (0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883),
)


def lab(pictures: Tensor) -> Tensor:
    """sRGB (N, 3, H, W) in [0, 1] → CIE L*a*b*, L in [0, 100]."""
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055).clamp(min=0) ** 2.4)
    xyz = torch.einsum("ij,njhw->nihw", pictures.new_tensor(_XYZ), linear)
    bent = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-6) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = bent.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def superpixels(pictures: Tensor, count: int, compactness: float = 10.0, steps: int = 10) -> Tensor:
    """Labels (N, H, W), each image's from 0 without gaps, for pictures (N, 3, H, W) in [0, 1].

    k-means over colour (L*a*b*) and place, from about ``count`` centres on a grid; a pixel may belong to the cell that
    it starts in or to one of the 8 around. distance² = colour² + (compactness · place / cell side)². Pieces that a
    superpixel has lost touch with keep its label, which does no harm where it is switched on and off as a whole.
    """
    height, width = pictures.shape[-2:]
    side = math.sqrt(height * width / max(1, count))
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    down, right = torch.meshgrid(
        torch.arange(height, device=pictures.device), torch.arange(width, device=pictures.device), indexing="ij"
    )
    cell = ((down * rows) // height, (right * columns) // width)
    place = torch.stack([down, right]).to(pictures.dtype) * (compactness / side)
    features = torch.cat([lab(pictures), place.expand(len(pictures), -1, -1, -1)], 1).flatten(2)
    labels = (cell[0] * columns + cell[1]).flatten().expand(len(pictures), -1)
    # The 9 cells that a pixel may belong to; those beyond the border are its own.
    near = torch.stack(
        [
            ((cell[0] + y).clamp(0, rows - 1) * columns + (cell[1] + x).clamp(0, columns - 1)).flatten()
            for y in (0, -1, 1)
            for x in (0, -1, 1)
        ]
    ).expand(len(pictures), -1, -1)
    for _ in range(steps):
        members = functional.one_hot(labels, rows * columns).to(features.dtype)
        centres = (features @ members) / members.sum(1, keepdim=True).clamp(min=1)
        # An empty cell has its centre nowhere.
        centres = centres.masked_fill((members.sum(1, keepdim=True) == 0), torch.inf)
        distances = torch.stack(
            [
                (features - centres.gather(2, candidate[:, None].expand(-1, features.shape[1], -1))).square().sum(1)
                for candidate in near.unbind(1)
            ],
            1,
        )
        labels = near.gather(1, distances.argmin(1, keepdim=True))[:, 0]
    compact = [image.unique(return_inverse=True)[1] for image in labels]
    return torch.stack(compact).view(len(pictures), height, width)
