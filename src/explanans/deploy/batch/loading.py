"""Decoded pictures in batches, from worker processes; one that cannot be read becomes a reason."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from pyarrow import fs
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from explanans.deploy.batch.manifest import Manifest
from explanans.images.listing import Item
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, read_image


@dataclass(frozen=True)
class Loaded:
    """One batch of a shard.

    Attributes:
        shard: which.
        items: what was to be read.
        sizes: (height, width) of each picture; None where it could not be read.
        failures: why not; "" where it could.
        pixels: uint8 (n, channels, H, W) of those that could, in order.
    """

    shard: int
    items: list[Item]
    sizes: list[tuple[int, int] | None]
    failures: list[str]
    pixels: Tensor


class Pictures(Dataset[Any]):
    """Batches of a manifest: item (shard, first, last) is the pictures ``first`` … ``last`` − 1 of a shard."""

    def __init__(self, manifest: Path, preprocessing: Preprocessing) -> None:
        self.manifest = manifest
        self.preprocessing = preprocessing
        self._open: Manifest | None = None
        self._shard: tuple[int, list[Item]] = (-1, [])
        self._reader = Reader()

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
                picture = self._reader(item, (self.preprocessing.height, self.preprocessing.width))
                pixels.append(self.preprocessing.resize(picture))
                sizes.append((picture.height, picture.width))
                failures.append("")
            except ImageError as error:
                sizes.append(None)
                failures.append(error.reason)
        size = (self.preprocessing.channels, self.preprocessing.height, self.preprocessing.width)
        stacked = torch.stack(pixels) if pixels else torch.zeros(0, *size, dtype=torch.uint8)
        return Loaded(shard, items, sizes, failures, stacked)


class Reader:
    """Reads items, and keeps the last archive or table open."""

    def __init__(self) -> None:
        self._path = ""
        self._file: Any = None
        self._group: tuple[int, int, Any] = (0, 0, None)

    def __call__(self, item: Item, fit: tuple[int, int]) -> Any:
        """The picture, RGB.

        Raises:
            ImageError: it cannot be read.
        """
        try:
            return read_image(self._bytes(item), fit=fit)
        except ImageError:
            raise
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ImageError(f"cannot be read ({type(error).__name__}: {error})", item.source) from error

    def _bytes(self, item: Item) -> Any:
        if "://" in item.path:
            system, path = fs.FileSystem.from_uri(item.path)
            with system.open_input_file(path) as file:
                return file.read()
        if not item.member:
            return item.path
        lower = item.path.lower()
        if self._path != item.path:
            self._path, self._group = item.path, (0, 0, None)
            # Kept open for the next picture, and closed with the process.
            if lower.endswith(".zip"):
                self._file = zipfile.ZipFile(item.path)
            elif lower.endswith(".parquet"):
                self._file = pq.ParquetFile(item.path)
            else:
                self._file = open(item.path, "rb") if lower.endswith(".tar") else gzip.open(item.path)  # noqa: PTH123, SIM115
        if lower.endswith(".zip"):
            return self._file.read(item.member)
        if lower.endswith(".parquet"):
            return self._cell(item)
        # A compressed tar is a stream: going forward is cheap, and this is the order of the manifest.
        self._file.seek(item.row)
        return io.BytesIO(self._file.read(item.length))

    def _cell(self, item: Item) -> Any:
        first, last, column = self._group
        if column is None or not first <= item.row < last:
            first = 0
            for group in range(self._file.num_row_groups):
                last = first + self._file.metadata.row_group(group).num_rows
                if item.row < last:
                    column = self._file.read_row_group(group, columns=[item.member])[item.member]
                    break
                first = last
            self._group = (first, last, column)
        value = column[item.row - first].as_py()
        value = value.get("bytes") if isinstance(value, dict) else value
        if not value:
            raise ImageError("the row holds no bytes", item.source)
        return value


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
    not depend on where a run begins. At most two batches wait for each worker."""
    loader = DataLoader(
        Pictures(manifest.path, preprocessing),
        batch_size=None,
        sampler=_Keys(manifest, shards, batch_size),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
    )
    yield from loader
