"""Batches of samples in an order that a seed decides."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from explanans.data.dataset import LabelledImages, Sample
from explanans.utils.seeds import mixed_seed


class Batch(TypedDict):
    """Samples stacked: image (N, 3, H, W), labels (N, C), segmentation (N, H, W) where there are masks, index (N,).

    maps (P, h, w): those of all images one after the other, where there are some.
    """

    image: Tensor
    labels: Tensor
    segmentation: NotRequired[Tensor]
    maps: NotRequired[Tensor]
    index: Tensor


def collate(samples: Sequence[Sample]) -> Batch:
    batch = Batch(
        image=torch.stack([sample["image"] for sample in samples]),
        labels=torch.stack([sample["labels"] for sample in samples]),
        index=torch.tensor([sample["index"] for sample in samples]),
    )
    if "segmentation" in samples[0]:
        batch["segmentation"] = torch.stack([sample["segmentation"] for sample in samples])
    if "maps" in samples[0]:
        batch["maps"] = torch.cat([sample["maps"] for sample in samples])
    return batch


class EpochSampler(Sampler[int]):
    """A permutation of the data set that depends on seed and epoch alone, so that a resumed run sees the same order.

    ``set_epoch`` (which lightning calls) says which epoch comes next; without it the epochs count up from 0.

    Args:
        beside: indices that come beside the others in every batch of ``batch``, ``each`` of them, however few they are:
            they go round and round in orders of their own. What is left of the permutation after whole batches waits
            for another epoch.
    """

    def __init__(self, count: int, seed: int, beside: Sequence[int] = (), batch: int = 0, each: int = 0) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0
        self.beside, self.batch = list(beside), batch
        self.each = each if self.beside else 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // (self.batch - self.each) * self.batch if self.each else self.count

    def __iter__(self) -> Iterator[int]:
        # Two numbers into one seed without collisions for the seeds and epochs that occur.
        generator = torch.Generator().manual_seed((self.seed << 20) + self.epoch)
        self.epoch += 1
        order = torch.randperm(self.count, generator=generator).tolist()
        if not self.each:
            return iter(order)
        others, own = self.batch - self.each, self._round_and_round(generator)
        starts = range(0, self.count // others * others, others)
        return (index for at in starts for index in (*order[at : at + others], *islice(own, self.each)))

    def _round_and_round(self, generator: torch.Generator) -> Iterator[int]:
        while True:
            yield from (self.beside[place] for place in torch.randperm(len(self.beside), generator=generator).tolist())


class _Drawn(Dataset[Sample]):
    """A data set whose augmentation draws what (seed, epoch, index, turn) say, whichever worker reads the picture."""

    def __init__(self, dataset: LabelledImages, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: tuple[int, int, int]) -> Sample:
        epoch, index, turn = place
        drawn = mixed_seed(self.seed, epoch, index, *([turn] if turn else []))
        torch.manual_seed(drawn)
        np.random.seed(drawn % 2**32)
        random.seed(drawn)
        return self.dataset[index]


class _Places(EpochSampler):
    """Of every index the epoch too, and how often it has come in it."""

    def __iter__(self) -> Iterator[Any]:
        epoch, turns = self.epoch, Counter[int]()
        for index in super().__iter__():
            yield epoch, index, turns[index]
            turns[index] += 1


def loader(
    dataset: LabelledImages,
    batch_size: int,
    shuffle: bool = False,
    seed: int = 42,
    workers: int = 0,
    drop_last: bool = False,
    beside: Sequence[int] = (),
    each: int = 0,
) -> DataLoader[Sample]:
    """A DataLoader of :class:`Batch` whose order depends on ``seed`` and the epoch, not on ``workers``.

    Augmentation draws from the global generators of torch, numpy and random. With ``workers=0`` they are the caller's
    to seed. In workers each picture is drawn for by ``seed``, the epoch and its index, so that any number of workers,
    and a training that was resumed, gives the same pictures; without ``shuffle`` there are no epochs, and each worker's
    generators are seeded once.

    With ``shuffle`` every batch has ``each`` of the pictures ``beside``, see :class:`EpochSampler`.
    """
    drawn = shuffle and workers > 0 and dataset.augment is not None
    sampler = _Places if drawn else EpochSampler
    return DataLoader(
        _Drawn(dataset, seed) if drawn else dataset,
        batch_size=batch_size,
        sampler=sampler(len(dataset), seed, beside, batch_size, each) if shuffle else None,
        num_workers=workers,
        collate_fn=collate,
        drop_last=drop_last,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )
