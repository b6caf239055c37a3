"""The explanation of a picture that was taken apart into tiles, at its own size or, where it is large, as a preview."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.explanation import ClassExplanation, Explanation
from explanans.explanations.receipt import Receipt, receipts
from explanans.explanations.region import Region, RegionSettings, find_regions
from explanans.explanations.tiles import Tiled, Tiling, explain_tiles
from explanans.images import drawing
from explanans.utils.devices import like

LARGE = 24_000_000
"""A picture with more pixels is drawn as a preview; its masks and regions are full size."""

PREVIEW = 2048
"""Pixels of the longer side of a preview, about."""


@dataclass(frozen=True, eq=False, repr=False)
class ScanClass(ClassExplanation):
    """One class in a large picture: ``picture``, ``mask`` and all that is drawn are a preview.

    Attributes:
        tiled: the picture at its own size, and what was found in its tiles.
    """

    tiled: Tiled

    def full_mask(self) -> NDArray[np.uint8]:
        """255 · mask, (H, W) at the picture's own size; made anew each time, a byte for each pixel."""
        picture = self.tiled.picture
        whole = np.empty((picture.height, picture.width), np.uint8)

        def write(first: int, rows: drawing.Mask) -> None:
            whole[first : first + len(rows)] = np.rint(rows * 255)

        self.tiled.blend(self.index, write)
        return whole

    def regions(
        self, settings: RegionSettings | None = None, classifier: Explanandum | None = None
    ) -> tuple[Region, ...]:
        """At the picture's own size; takes some twenty bytes for each of its pixels."""
        return find_regions(
            np.asarray(self.full_mask() / np.float32(255), np.float32),
            self.name,
            self.index,
            self.probability,
            threshold=self.mask_threshold,
            settings=settings,
            picture=self.tiled.picture,
            classifier=classifier,
        )

    def save(self, folder: Path) -> dict[str, Any]:
        """The mask at the picture's own size, overlay and cut-out as previews."""
        entry = super().save(folder)
        Image.fromarray(self.full_mask()).save(folder / entry["mask"], compress_level=1)
        return entry


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
    """Explain a picture in tiles (:func:`explanans.explanations.tiles.explain_tiles`).

    A picture of up to :data:`LARGE` pixels has masks at its own size. Of a larger one memory holds the picture, a row
    of tiles and one mask of a byte for each pixel at a time; see :class:`ScanExplanation`.

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
        mask, area = _reduced(tiled, column, factor, settings.mask_threshold)
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
        explained.append(
            found
            if factor == 1
            else ScanClass(**{each.name: getattr(found, each.name) for each in fields(ClassExplanation)}, tiled=tiled)
        )
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


def _reduced(tiled: Tiled, column: int, factor: int, threshold: float) -> tuple[drawing.Mask, float]:
    """The blended mask, each square of ``factor`` pixels averaged, and the share of the pixels inside at full size."""
    width, height = tiled.picture.size
    across = np.arange(0, width, factor)
    sums = np.zeros((-(-height // factor), len(across)), np.float32)
    inside = 0

    def write(first: int, rows: drawing.Mask) -> None:
        nonlocal inside
        inside += int((rows >= threshold).sum())
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
