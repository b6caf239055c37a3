"""The true objects as if a method had found them: what a perfect mask scores with this classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explanans.benchmark.calling import HELD_OUT, MEASURED, Called, Caller, columns_of
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.methods.base import Entry, listed
from explanans.ops.targets import Target

REFERENCES: dict[str, Entry] = {}
"""Rows that no method makes, listed as methods are; made as ``build(name, seed, dataset, held_out)``."""


@listed("ground_truth", "ground truth", "raw", into=REFERENCES)
class TruthCaller(Caller):
    """Answers with the segmentation of the image that is asked about, 1 on a class that is asked for.

    Void pixels are 0. It has no cost, and randomised weights do not change it.

    Args:
        name, seed: as for :class:`~explanans.benchmark.calling.Caller`.
        dataset: the images with segmentations.
        held_out: those of the threshold split.
    """

    def __init__(self, name: str, seed: int, dataset: LabelledImages, held_out: LabelledImages | None) -> None:
        super().__init__(name, _not_made, seed)
        self.splits = {MEASURED: dataset, **({} if held_out is None else {HELD_OUT: held_out})}
        for data in self.splits.values():
            if not data.has_segmentation:
                raise InputError(
                    f"methods: {name!r} are the segmentations, which not every image of {data.name} has; leave it out."
                )

    def __call__(self, images: Tensor, targets: Tensor, indices: Sequence[int], split: str = MEASURED) -> Called:
        columns = columns_of(targets)
        maps = [
            self.ask(images[n : n + 1], targets[n : n + 1], index, split, columns) for n, index in enumerate(indices)
        ]
        return Called(torch.cat(maps), [""] * len(maps), columns)

    def ask(
        self, images: Tensor, targets: Tensor, index: int, split: str = MEASURED, columns: Tensor | None = None
    ) -> Tensor:
        columns = columns_of(targets) if columns is None else columns
        classes = torch.arange(targets.shape[1], device=images.device) if columns is None else columns
        mask = self.splits[split][index]["segmentation"].to(images.device) == classes[:, None, None] + 1
        return (mask & targets.bool()[0, classes, None, None])[None].to(images)

    def draws(self, image: Tensor, targets: Tensor, index: int) -> bool:
        return False


def _not_made(images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
    raise InputError("the truth is read, not made; it has no cost.")
