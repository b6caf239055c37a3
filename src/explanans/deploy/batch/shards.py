"""Masks and receipts of a shard, from its loaded batches to the bytes of its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
import torch
from torch import Tensor

from explanans.deploy.batch import encode
from explanans.deploy.batch.decoding import Loaded
from explanans.deploy.batch.job_options import Options
from explanans.explanations.batch import Masker, explain_batch
from explanans.explanations.receipt import FILLS, Receipt
from explanans.ops.refinement import enlarge
from explanans.utils.devices import like

IMAGES = pa.schema(
    [
        ("index", pa.int64()),
        ("source", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("status", pa.string()),
        ("failure", pa.string()),
        ("probabilities", pa.list_(pa.float32())),
        ("size", pa.int64()),
        ("changed", pa.int64()),
    ]
)
"""A row for each picture of a shard, read or not; the probabilities are of all classes, in their order. ``size`` and
``changed`` tell the file that was read from one that takes its place."""

FILES = b"files"
"""Metadata of ``images.parquet``: the shard's other files, and how many bytes each has."""

RECEIPTS = pa.schema(
    [
        *(("index", pa.int64()), ("class", pa.string()), ("class_index", pa.int32()), ("whole", pa.float32())),
        *(("kept", pa.float32()), ("removed", pa.float32()), ("area", pa.float32())),
        *((f"{what}_{fill}", pa.float32()) for fill in FILLS for what in ("kept", "removed")),
        *(("elsewhere", pa.float32()), ("other", pa.string()), ("other_whole", pa.float32())),
        *(("other_kept", pa.float32()), ("score", pa.float32()), ("word", pa.string())),
    ]
)


@dataclass
class Shard:
    """What has been found of a shard so far; masks for each batch, as soon as they are coded."""

    images: list[dict[str, Any]] = field(default_factory=list)
    masks: list[Future[list[encode.Mask]]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> list[tuple[str, str]]:
        return [(row["source"], row["failure"]) for row in self.images if row["failure"]]


class Explaining:
    """A Masker that turns loaded batches into rows and masks; its coder's thread ends with ``with``.

    Args:
        masker: in evaluation mode, on the device that computes.
        options: what is wanted.
    """

    def __init__(self, masker: Masker, options: Options) -> None:
        self.masker = masker
        self.options = options
        self.settings = options.settings
        # Checks names of classes before any work is done.
        self.settings.selection.requested(masker.explanandum, 1)
        self.place = like(masker)
        # Masks are coded while the networks see the next batch.
        self._coder = ThreadPoolExecutor(1, thread_name_prefix="masks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._coder.shutdown(cancel_futures=True)

    def add(self, shard: Shard, loaded: Loaded, first: int) -> None:
        """Put a batch into its shard; the first picture of the batch is number ``first`` of the job."""
        explanandum = self.masker.explanandum
        rows: list[dict[str, Any]] = [
            {
                "index": first + n,
                "source": item.source,
                "height": None if size is None else size[0],
                "width": None if size is None else size[1],
                "status": "failed" if failure else "ok",
                "failure": failure,
                "probabilities": [],
                "size": item.size,
                "changed": item.changed,
            }
            for n, (item, size, failure) in enumerate(zip(loaded.items, loaded.sizes, loaded.failures, strict=True))
        ]
        shard.images += rows
        read = [row for row in rows if not row["failure"]]
        if not read:
            return
        inputs = explanandum.preprocessing.normalise(loaded.pixels.to(self.place.device)).to(self.place)
        requested = self.settings.selection.requested(explanandum, len(inputs))
        found = explain_batch(self.masker, inputs, self.settings, requested)
        for row, failure, probabilities in zip(read, found.failures, found.probabilities.tolist(), strict=True):
            row |= {"status": "failed", "failure": failure} if failure else {"probabilities": probabilities}
        about, sizes = [], []
        for image, column in found.asked.nonzero().tolist():
            row = read[image]
            about.append((row["index"], explanandum.classes[column], column, row["probabilities"][column]))
            sizes.append((row["height"], row["width"]))
        if shard.masks:
            # No more than a batch of masks waits, or those of a slow coder would fill the memory.
            shard.masks[-1].result()
        shard.masks.append(self._coder.submit(self._coded, about, found.masks.float(), sizes))
        shard.receipts += [
            {"index": index, "class": label, "class_index": column, **_facts(receipt)}
            for (index, label, column, _), receipt in zip(about, found.receipts, strict=True)
            if receipt is not None
        ]

    def files(self, shard: Shard) -> dict[str, bytes]:
        """The files of a finished shard, by name; ``images.parquet`` last, since it says that the others are there."""
        options = self.options
        masks = [mask for batch in shard.masks for mask in batch.result()]
        if options.format == "png":
            files = encode.masks_as_png(masks)
        elif options.format == "coco":
            files = encode.masks_as_coco(masks, shard.images, self.masker.explanandum.classes)
        else:
            files = encode.masks_as_parquet(masks)
        if options.receipts:
            files["receipts.parquet"] = encode.parquet(shard.receipts, RECEIPTS)
        sizes = json.dumps({name: len(content) for name, content in files.items()})
        files["images.parquet"] = encode.parquet(shard.images, IMAGES.with_metadata({FILES: sizes}))
        return files

    @torch.no_grad()
    def _coded(
        self, about: Sequence[tuple[int, str, int, float]], masks: Tensor, sizes: Sequence[tuple[int, int]]
    ) -> list[encode.Mask]:
        """Masks (P, H, W) as bytes, each at its photo's size where that is wanted: binarised, or for PNG 0 … 255."""
        soft = self.options.format == "png"
        coder = encode.grey_png if soft else encode.run_lengths
        coded = []
        for each, mask, photo in zip(about, masks, sizes, strict=True):
            size = photo if self.options.size == "photo" else (mask.shape[0], mask.shape[1])
            finished = enlarge(mask[None, None], size)[0, 0]
            finished = (finished * 255).round() if soft else finished >= self.options.mask_threshold
            coded.append(encode.Mask(*each, size, coder(finished.to(torch.uint8).cpu().numpy())))
        return coded


def explain_shard(explaining: Explaining, batches: Iterable[Loaded], first: int) -> Shard:
    """A whole shard from its batches; its first picture is number ``first`` of the job."""
    shard = Shard()
    for loaded in batches:
        explaining.add(shard, loaded, first + len(shard.images))
    return shard


def _facts(receipt: Receipt) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(receipt, name) for name in ("whole", "kept", "removed", "area")}
    for fill, answer in receipt.fills.items():
        facts |= {f"kept_{fill}": answer.kept, f"removed_{fill}": answer.removed}
    other = receipt.other
    return {
        **facts,
        "elsewhere": receipt.elsewhere,
        "other": other and other.name,
        "other_whole": other and other.whole,
        "other_kept": other and other.kept,
        "score": receipt.score,
        "word": receipt.word,
    }
