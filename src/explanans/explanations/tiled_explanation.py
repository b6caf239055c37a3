"""The explanation of a picture that was taken apart into tiles, at its own size or, where it is large, as a preview."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.class_explanation import PACKING, ClassExplanation
from explanans.explanations.explain_tiles import explain_tiles
from explanans.explanations.explanation import Explanation
from explanans.explanations.receipt import Receipt, receipts
from explanans.explanations.tiles import Tiled, Tiling
from explanans.images import drawing
from explanans.images.png_rows import write_grey
from explanans.utils.devices import like
from explanans.utils.disk_array import DiskArray

LARGE = 24_000_000
"""A picture with more pixels is drawn as a preview; its masks and regions are full size."""

PREVIEW = 2048
"""Pixels of the longer side of a preview, about."""

STRIP = 256
"""Rows of a mask that are saved together."""


@dataclass(frozen=True, eq=False, repr=False)
class ScanClass(ClassExplanation):
    """One class in a large picture: ``picture``, ``mask`` and all that is drawn are a preview.

    Attributes:
        full_picture: at its own size.
        full_mask: 255 · mask, bytes (H, W) at the picture's own size, on the disk.
    """

    full_picture: Image.Image
    full_mask: DiskArray

    def _measured(self) -> tuple[DiskArray, Image.Image]:
        """At the picture's own size."""
        return self.full_mask, self.full_picture

    def _write(self, mask: Path, overlay: Path, cutout: Path) -> None:
        """The mask at the picture's own size, overlay and cut-out as previews."""
        height, width = self.full_mask.shape
        write_grey(mask, (width, height), (self.full_mask[top : top + STRIP] for top in range(0, height, STRIP)))
        self.overlay().save(overlay, compress_level=PACKING)
        self.cutout().save(cutout, compress_level=PACKING)


@dataclass(frozen=True, eq=False, repr=False)
class ScanExplanation(Explanation):
    """The result for a large picture; ``picture`` is a preview of it.

    Attributes:
        full_size: width and height of the picture itself.
    """

    full_size: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        return self.full_size


def tiled_explanation(
    masker: Masker,
    picture: Image.Image,
    settings: Settings,
    tiling: Tiling,
    name: str | None = None,
    requested: Tensor | None = None,
) -> Explanation:
    """Explain a picture in tiles (:func:`explanans.explanations.explain_tiles.explain_tiles`).

    A picture of up to :data:`LARGE` pixels has masks at its own size. Of a larger one memory holds the picture and a
    row of tiles; masks lie on the disk, see :class:`ScanExplanation`.

    Args:
        requested: bool (C,), the classes asked for; None lets the probabilities decide.
        name: the file that the picture came from.
    """
    explanandum = masker.explanandum
    tiled, columns = explain_tiles(masker, picture, settings, tiling, requested, name)
    factor = -(-max(picture.size) // PREVIEW) if picture.width * picture.height > LARGE else 1
    shown = picture if factor == 1 else picture.reduce(factor)
    classes = list(explanandum.classes)
    explained = []
    for column in columns:
        full = None if factor == 1 else DiskArray((picture.height, picture.width), np.uint8)
        mask, area = _reduced(tiled, column, factor, settings.mask_threshold, full)
        receipt = None
        if settings.receipts and tiling.merge == "whole":
            receipt = _receipt_of_whole(explanandum, tiled, mask, column, settings)
        elif settings.receipts:
            receipt = tiled.receipt(column, area, classes, settings.mask_threshold)
        found = ClassExplanation(
            classes[column],
            column,
            float(tiled.probabilities[column]),
            mask,
            settings.mask_threshold,
            receipt,
            shown,
            drawing.colour_of(column),
        )
        if full is not None:
            own = {each.name: getattr(found, each.name) for each in fields(ClassExplanation)}
            found = ScanClass(**own, full_picture=picture, full_mask=full)
        explained.append(found)
    facts = {
        "settings": settings.to_dict(),
        "classifier": explanandum.identity(),
        **masker.made_by(),
        "tiles": tiled.facts(classes),
    }
    probabilities = dict(zip(classes, tiled.probabilities.tolist(), strict=True))
    rule = settings.selection.rule(explanandum)
    made = (shown, tuple(explained), probabilities, name, rule, facts)
    return Explanation(*made) if factor == 1 else ScanExplanation(*made, full_size=picture.size)


def _reduced(
    tiled: Tiled, column: int, factor: int, threshold: float, full: DiskArray | None
) -> tuple[drawing.Mask, float]:
    """The blended mask, each square of ``factor`` pixels averaged, and the share of the pixels inside at full size.

    255 · mask at full size is written to ``full``.
    """
    width, height = tiled.picture.size
    across = np.arange(0, width, factor)
    sums = np.zeros((-(-height // factor), len(across)), np.float32)
    inside = 0

    def write(first: int, rows: drawing.Mask) -> None:
        nonlocal inside
        inside += int((rows >= threshold).sum())
        if full is not None:
            full[first : first + len(rows)] = np.rint(rows * 255)
        if factor == 1:
            sums[first : first + len(rows)] = rows
        else:
            places = np.arange(first, first + len(rows)) // factor
            np.add.at(sums, places, np.add.reduceat(rows, across, axis=1))

    tiled.blend(column, write)
    if factor > 1:
        tall = np.minimum(factor, height - np.arange(len(sums)) * factor)
        sums /= tall[:, None] * np.minimum(factor, width - across)
    return sums.clip(0, 1), inside / (width * height)


@torch.no_grad()
def _receipt_of_whole(
    explanandum: Explanandum, tiled: Tiled, mask: drawing.Mask, column: int, settings: Settings
) -> Receipt:
    """Of a mask of the whole picture, at the classifier's input."""
    place = like(explanandum)
    image = explanandum.preprocessing(tiled.picture)[None].to(place)
    asked = torch.zeros(1, explanandum.num_classes, dtype=torch.bool, device=image.device)
    asked[0, column] = True
    small = torch.from_numpy(drawing.resize_mask(mask, (image.shape[2], image.shape[3])))[None].to(place)
    whole = tiled.probabilities[None].to(image.device)
    threshold, fills = settings.mask_threshold, settings.fills
    (made,) = receipts(explanandum, image, small, asked, whole=whole, fills=fills, mask_threshold=threshold)
    return made
