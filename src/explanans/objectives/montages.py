"""Four pictures of a batch in one: what a class may not reach for in a strange place, and how it looks when small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

CELLS = 4
"""Pictures of a montage, two by two, row by row."""


def montages(images: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) four by four at half their size, (N // 4, 3, H, W); those left over are in none.

    Mosaics of Bochkovskiy et al. 2020 (YOLOv4), with cells of one size.
    """
    height, width = images.shape[-2:]
    return two_by_two(images[: len(images) // CELLS * CELLS], (height, width))


def montage_labels(labels: Tensor) -> Tensor:
    """Of labels (N, C) of pictures those of their montages, (N // 4, C): a class is there where it is in any cell."""
    count = len(labels) // CELLS
    return labels[: count * CELLS].unflatten(0, (count, CELLS)).amax(1)


def two_by_two(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (4·M, …, h, w) shrunk by averaging and put together, (M, …, H, W) with ``size`` H, W."""
    (top, left), inner = (size[0] // 2, size[1] // 2), maps.shape[1:-2]
    whole = maps.new_empty(len(maps) // CELLS, *inner, *size)
    for cell in range(CELLS):
        rows = slice(0, top) if cell < 2 else slice(top, None)
        columns = slice(0, left) if cell % 2 == 0 else slice(left, None)
        some = maps[cell::CELLS].flatten(0, -3)[:, None]
        place = whole[..., rows, columns]
        place.copy_(functional.interpolate(some, place.shape[-2:], mode="area")[:, 0].unflatten(0, place.shape[:-2]))
    return whole


def montage_targets(
    targets: Tensor, trusted: Tensor, drawn: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the masks of montages are to be: of each picture's drawn class in the montage that the picture is in.

    Where the class was drawn for a cell, the cell's target; 0 where a cell does not have the class; nothing, where it
    has the class and no target was made.

    Args:
        targets: in [0, 1], (N, h, w), of the drawn class of each picture.
        trusted: (N, h, w), 1 where a target counts, else 0.
        drawn: (N,), the number of a class.
        labels: multi-hot (N, C).

    Returns:
        of each of the P pictures that are in a montage and have a label: the montage's number and the class, (P,), the
        target and how much it counts, (P, h, w).
    """
    size = (targets.shape[-2], targets.shape[-1])
    count = len(targets) // CELLS * CELLS
    drawn, labels = drawn[:count], labels[:count].bool()
    some = labels.any(1).nonzero()[:, 0]
    montage, column = some // CELLS, drawn[some]
    # (P, 4): the cells of the montage that each pair is about.
    cells = montage[:, None] * CELLS + torch.arange(CELLS, device=some.device)
    there = labels[cells, column[:, None]]
    made = there & (drawn[cells] == column[:, None])
    counted = torch.where(made[..., None, None], trusted[cells], (~there).to(trusted.dtype)[..., None, None])
    wanted = torch.where(made[..., None, None], targets[cells] * counted, torch.zeros_like(counted))
    share = two_by_two(counted.flatten(0, 1), size)
    target = two_by_two(wanted.flatten(0, 1), size) / share.clamp(min=1e-6)
    return montage, column, target, share
