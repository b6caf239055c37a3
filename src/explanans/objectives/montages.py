"""Four pictures of a batch in one: what a class may not reach for in a strange place, and how it looks when small."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from explanans.ops.two_by_two import CELLS, two_by_two


def montages(images: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) four by four at half their size, (N // 4, 3, H, W); those left over are in none.

    Mosaics of Bochkovskiy et al. 2020 (YOLOv4), with cells of one size.
    """
    return _averaged(_by_montage(images))


def montage_labels(labels: Tensor) -> Tensor:
    """Of labels (N, C) of pictures those of their montages, (N // 4, C): a class is there where it is in any cell."""
    return _by_montage(labels).amax(1)


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
    share, target = (_averaged(each[:, :, None])[:, 0] for each in (counted, wanted))
    return montage, column, target / share.clamp(min=1e-6), share


def _by_montage(values: Tensor) -> Tensor:
    """(N, …) → (N // 4, 4, …), without those that are left over."""
    count = len(values) // CELLS
    return values[: count * CELLS].unflatten(0, (count, CELLS))


def _averaged(images: Tensor) -> Tensor:
    return two_by_two(images, partial(functional.interpolate, mode="area"))
