"""One look at a shard of explained photos: where masks lie, what they keep, and whether that is the object."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pycocotools import mask as coco
from torch import Tensor

from explanans.audit.audited_photos import Photos
from explanans.audit.features import Embedder, colours
from explanans.audit.geometry import centres, on_grid, shares
from explanans.audit.looked import LOOKS
from explanans.deploy.batch.decoding import Loaded
from explanans.deploy.batch.encode import MASKS
from explanans.deploy.batch.job import PICTURES
from explanans.deploy.batch.shards import IMAGES, RECEIPTS
from explanans.errors import InputError
from explanans.images.reading import ImageError
from explanans.utils.records import read_parquet
from explanans.utils.text import printable

NAN = "the classifier's features of what the mask keeps are NaN"

_RECEIPT = ("kept", "removed", "elsewhere", "area", "score", "word", "other")


class Shard:
    """What the batch job wrote of a shard.

    Attributes:
        made_from: a hash of its files.
        images: by their number in the job: the classifier's probabilities, and what failed.
        masks: run lengths by (number, class).
        receipts: likewise.
    """

    def __init__(self, folder: Path) -> None:
        files = [folder / name for name in ("images.parquet", "masks.parquet", "receipts.parquet")]
        images, masks, receipts = (
            read_parquet(file, PICTURES, schema).to_pylist()
            for file, schema in zip(files, (IMAGES, MASKS, RECEIPTS), strict=True)
        )
        self.made_from = made_from(folder)
        self.images = {row["index"]: row for row in images}
        self.masks = {(row["index"], row["class_index"]): row for row in masks}
        self._seen: dict[int, list[int]] = {}
        for index, column in self.masks:
            self._seen.setdefault(index, []).append(column)
        self.receipts = {(row["index"], row["class_index"]): row for row in receipts}

    def seen(self, index: int) -> list[int]:
        """The classes of a photo that have a mask."""
        return self._seen.get(index, [])

    def mask(self, index: int, column: int) -> Tensor:
        row = self.masks[index, column]
        return torch.from_numpy(coco.decode({"size": [row["height"], row["width"]], "counts": row["rle"]})).bool()


def made_from(folder: Path) -> str:
    """A hash of a shard's files."""
    digest = hashlib.sha256()
    for name in ("images.parquet", "masks.parquet", "receipts.parquet"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def look(shard: Shard, batches: Iterable[Loaded], first: int, photos: Photos, embedder: Embedder) -> pa.Table:
    """The rows of a shard; its first photo is number ``first``.

    Args:
        batches: its pictures, decoded again.
        embedder: on the device that computes.
    """
    rows: list[dict[str, Any]] = []
    number = first
    for loaded in batches:
        read = [number + n for n, failure in enumerate(loaded.failures) if not failure]
        number += len(loaded.items)
        rows.extend(_rows(shard, read, loaded.pixels, photos, embedder))
    columns = {name: [row.get(name) for row in rows] for name in LOOKS.names}
    return pa.table(columns, LOOKS)


def _rows(
    shard: Shard, read: list[int], pixels: Tensor, photos: Photos, embedder: Embedder
) -> Iterable[dict[str, Any]]:
    """Of a batch, in the order of its photos; those that failed have none."""
    explanandum = embedder.explanandum
    pairs = [(n, column) for n, index in enumerate(read) for column in shard.seen(index)]
    if pairs:
        images = explanandum.preprocessing.normalise(pixels.to(embedder.device))
        masks = torch.stack([shard.mask(read[n], column) for n, column in pairs])
        of = torch.tensor([n for n, _ in pairs])
        shown, kept = images[of.to(images.device)], masks.to(images.device)
        features = embedder(shown, kept).cpu()
        tones = colours(explanandum.preprocessing.denormalise(shown), kept).cpu()
        cells, middles = on_grid(masks), centres(masks)
    place = 0
    for index in read:
        if shard.images[index]["failure"]:
            continue
        labels = photos.labels(index)
        common = {"index": index, "photo": printable(photos.data.names[index])}
        columns = shard.seen(index)
        about, trouble = _located(photos, index, columns, masks[place : place + len(columns)]) if columns else ([], "")
        for column, parts in zip(columns, about, strict=True):
            receipt = shard.receipts[index, column]
            broken = bool(features[place].isnan().any())
            yield {
                **common,
                **_class(explanandum.classes, column, labels, shard.images[index]["probabilities"], seen=True),
                **{name: receipt[name] for name in _RECEIPT},
                "shared": _shared(receipt),
                **_numbers(("x", "y"), middles[place]),
                **parts,
                "trouble": "; ".join(filter(None, [trouble, NAN if broken else ""])),
                "grid": (cells[place] * 255).round().to(torch.uint8).numpy().tobytes(),
                "colours": tones[place].numpy().astype(np.float16).tobytes(),
                "features": None if broken else features[place].numpy().astype(np.float16).tobytes(),
            }
            place += 1
        for column, wanted in enumerate(labels or []):
            if wanted and column not in columns:
                of_class = _class(explanandum.classes, column, labels, shard.images[index]["probabilities"], seen=False)
                yield {**common, **of_class, "trouble": ""}


def _class(
    classes: tuple[str, ...], column: int, labels: Any, probabilities: list[float], seen: bool
) -> dict[str, Any]:
    return {
        "class": classes[column],
        "class_index": column,
        "labelled": None if labels is None else labels[column],
        "seen": seen,
        "probability": probabilities[column],
    }


def _shared(receipt: Mapping[str, Any]) -> float | None:
    """How much of its probability the other class keeps, at most 1; None where there is no other."""
    if receipt["other"] is None or not receipt["other_whole"]:
        return None
    return min(1.0, receipt["other_kept"] / receipt["other_whole"])


def _located(photos: Photos, index: int, columns: list[int], masks: Tensor) -> tuple[list[dict[str, Any]], str]:
    """For each class where its mask lies, nothing where it has no object; and what was wrong with the truth."""
    nowhere: list[dict[str, Any]] = [{} for _ in columns]
    try:
        objects = photos.objects(index, columns)
    except (ImageError, InputError) as error:
        return nowhere, printable(str(error))
    if objects is None:
        return nowhere, ""
    found = shares(masks, objects.regions, objects.valid.expand_as(masks))
    there = objects.regions.flatten(1).any(1).tolist()
    names = ("inside", "border", "outside")
    return [_numbers(names, row) if known else {} for row, known in zip(found, there, strict=True)], ""


def _numbers(names: tuple[str, ...], values: Tensor) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in zip(names, values.tolist(), strict=True)}
