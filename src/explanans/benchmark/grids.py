"""GridPG over a data set: which photos stand in one picture, and what a method makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.batches import WholeAnswers
from explanans.benchmark.calling import Caller, seed_of
from explanans.benchmark.scoring import masks_of
from explanans.data import LabelledImages
from explanans.metrics.grid_pointing import company
from explanans.ops.two_by_two import CELLS

SURE = 0.9
"""The probability from which on the classifier is sure of a photo's only label."""


class Grids:
    """For each photo that the classifier is sure of three others of further classes, drawn by the seed.

    Sure: the photo has one label, whose probability is at least 0.9, and no other class reaches ½. The draw depends on
    the seed and the photo alone, so every method meets the same pictures.

    Args:
        dataset: the photos.
        whole: the classifier's answers to them, by position.
        device: where it answers.
        seed: of the draws.
        background: positions of classes that may be in a photo besides its label.
    """

    def __init__(
        self,
        dataset: LabelledImages,
        whole: WholeAnswers,
        device: torch.device,
        seed: int,
        background: Sequence[int] = (),
    ) -> None:
        self.dataset, self.whole, self.device, self.seed = dataset, whole, device, seed
        self.single = dataset.labels.bool().sum(1) == 1
        self.classes = dataset.labels.bool().int().argmax(1)
        self.background = list(background)

    def around(self, index: int) -> tuple[list[int], int] | None:
        """Positions of the four photos cell by cell, and the cell of photo ``index``; None where there are none."""
        if not self._sure(index):
            return None
        generator = torch.Generator().manual_seed(seed_of(self.seed, "grid", index))
        order = torch.randperm(len(self.dataset), generator=generator).tolist()
        cell = int(torch.randint(CELLS, (), generator=generator))
        four = company(index, order, self.classes.tolist(), self._sure, cell)
        return None if four is None else (four, cell)

    def images(self, positions: Sequence[int]) -> Tensor:
        return torch.stack([self.dataset[position]["image"] for position in positions]).to(self.device)

    def _sure(self, index: int) -> bool:
        if not self.single[index]:
            return False
        answer = self.whole(self.images([index]), [index])[0].clone()
        answer[self.background] = 0
        own = int(self.classes[index])
        others = torch.cat([answer[:own], answer[own + 1 :]])
        return bool(answer[own] >= SURE and (others < 0.5).all())


def pointed(caller: Caller, grids: Grids, positions: Sequence[int], step: str) -> dict[int, float]:
    """:func:`explanans.metrics.grid_pointing` of the photos that a grid is found for, by place in ``positions``.

    The method is asked for the photo's own class on four photos in one; where it fails, the value is 0, the worst.
    """
    found = {n: grids.around(index) for n, index in enumerate(positions)}
    chosen = {n: grid for n, grid in found.items() if grid is not None}
    if not chosen:
        return {}
    images = metrics.montage(torch.stack([grids.images(four) for four, _ in chosen.values()]))
    indices = [positions[n] for n in chosen]
    targets = torch.zeros(len(indices), grids.dataset.labels.shape[1], dtype=torch.bool, device=images.device)
    targets[torch.arange(len(indices), device=images.device), grids.classes[indices].to(images.device)] = True
    called = caller(images, targets, indices)
    masks, refused = masks_of(called.maps, step)
    failed = [bool(one or other) for one, other in zip(called.errors, refused, strict=True)]
    cells = torch.tensor([cell for _, cell in chosen.values()], device=images.device)
    # Each is asked for one class alone.
    values = metrics.grid_pointing(masks[called.of(targets)], cells)
    values = values.masked_fill(torch.tensor(failed, device=values.device), 0)
    return dict(zip(chosen, values.tolist(), strict=True))
