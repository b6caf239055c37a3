"""Which pictures of a training have regions, and which of them are used."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.images.segmentations import not_void
from explanans.utils.numbers import check_count


def annotated_pictures(dataset: LabelledImages, share: float, seed: int) -> list[int]:
    """Positions of the pictures whose regions are used, ``share`` of those with a label and a region.

    Raises:
        InputError: no picture has both.
    """
    maps = dataset.segmentations or [dataset.name] * len(dataset)
    known = [place for place, path in enumerate(maps) if path is not None and dataset.labels[place].any()]
    count = max(1, round(share * len(known))) if known else 0
    if not count:
        raise InputError(f"data: no picture of {dataset.name} has both a label and a region; guide needs some.")
    drawn = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:count]
    return sorted(known[place] for place in drawn.tolist())


def beside_each(beside: int | None, share: float, batch: int) -> int:
    """How many annotated pictures are in every batch of ``batch`` beside the others.

    None: a quarter where only a share of them is annotated, since one in ten or in a hundred would come in few steps;
    otherwise 0: they come as all others do.

    Raises:
        InputError: no room is left for others.
    """
    if beside is None:
        return batch // 4 if share < 1 else 0
    return check_count("beside", beside, 0, below=batch)


def having_regions(dataset: LabelledImages, annotated: list[int]) -> Tensor:
    """bool (N, C): whether a picture that is annotated has a region of the class. Reads their maps once."""
    found = torch.zeros(len(dataset), len(dataset.classes), dtype=torch.bool)
    for place in annotated:
        found[place] = classes_there(dataset.segmentation_map(place)[None], len(dataset.classes))[0]
    return found


def classes_there(segmentation: Tensor, count: int) -> Tensor:
    """bool (N, ``count``): which classes have a pixel in segmentations (N, H, W)."""
    numbers = segmentation.masked_fill(~not_void(segmentation), 0).flatten(1).long()
    found = torch.zeros(len(segmentation), count + 1, dtype=torch.bool, device=segmentation.device)
    return found.scatter_(1, numbers, True)[:, 1:]
