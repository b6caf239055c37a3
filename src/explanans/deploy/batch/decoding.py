"""Decoded pictures in batches, from worker processes; one that cannot be read becomes a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from explanans.deploy.batch.manifest import Manifest
from explanans.images.listing import Item
from explanans.images.opening import Opener
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError
from explanans.utils.object_storage import Disconnected


@dataclass(frozen=True)
class Loaded:
    """One batch of a shard.

    Attributes:
        shard: which.
        items: what was to be read.
        sizes: (height, width) of each picture; None where it could not be read.
        failures: why not; "" where it could.
        pixels: uint8 (n, channels, H, W) of those that could, in order.
        lost: why the storage did not answer, and the batch is not whole; "" where it did.
    """

    shard: int
    items: list[Item]
    sizes: list[tuple[int, int] | None]
    failures: list[str]
    pixels: Tensor
    lost: str = ""


class Pictures(Dataset[Any]):
    """Batches of a manifest: item (shard, first, last) is the pictures ``first`` … ``last`` − 1 of a shard."""

    def __init__(self, manifest: Path, preprocessing: Preprocessing) -> None:
        self.manifest = manifest
        self.preprocessing = preprocessing
        self._open: Manifest | None = None
        self._shard: tuple[int, list[Item]] = (-1, [])
        self._opener = Opener()

    def __getitem__(self, key: tuple[int, int, int]) -> Loaded:
        # Here and not in the constructor: every worker opens its own.
        self._open = self._open or Manifest(self.manifest)
        shard, first, last = key
        if self._shard[0] != shard:
            self._shard = (shard, self._open.shard(shard))
        items = self._shard[1][first:last]
        sizes: list[tuple[int, int] | None] = []
        failures, pixels = [], []
        for item in items:
            try:
                picture = self._opener(item, (self.preprocessing.height, self.preprocessing.width))
                pixels.append(self.preprocessing.resize(picture))
                sizes.append((picture.height, picture.width))
                failures.append("")
            except ImageError as error:
                sizes.append(None)
                failures.append(error.reason)
            except Disconnected as error:
                # A worker's exception would come with its traceback for a message.
                return Loaded(shard, items, [], [], torch.zeros(0, dtype=torch.uint8), str(error))
        size = (self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width)
        stacked = torch.stack(pixels) if pixels else torch.zeros(0, *size, dtype=torch.uint8)
        return Loaded(shard, items, sizes, failures, stacked)


class _Keys(Sampler[tuple[int, int, int]]):
    """(shard, first, last) of every batch, made as they are asked for."""

    def __init__(self, manifest: Manifest, shards: Sequence[int], batch_size: int) -> None:
        self.manifest, self.shards, self.batch_size = manifest, shards, batch_size

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        for shard in self.shards:
            size = self.manifest.size(shard)
            for first in range(0, size, self.batch_size):
                yield shard, first, min(first + self.batch_size, size)


def load_shards(
    manifest: Manifest, shards: Sequence[int], preprocessing: Preprocessing, batch_size: int, workers: int
) -> Iterator[Loaded]:
    """Every batch of the shards, in order; no batch crosses from one shard to the next, so that what is computed does
    not depend on where a run begins. At most two batches wait for each worker.

    Raises:
        Disconnected: object storage did not answer.
    """
    loader = DataLoader(
        Pictures(manifest.path, preprocessing),
        batch_size=None,
        sampler=_Keys(manifest, shards, batch_size),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        # It draws a seed for its workers, which nobody needs here, from the global generator otherwise.
        generator=torch.Generator(),
    )
    for loaded in loader:
        if loaded.lost:
            raise Disconnected(f"{loaded.lost}. Finished shards are kept; repeat the command to go on.")
        yield loaded
