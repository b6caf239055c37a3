"""One class in one photo: its mask, what the photo looks like through it, its receipt, and their files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.figure import describe_size, figure
from explanans.explanations.html import explanation_html
from explanans.explanations.receipt import Receipt
from explanans.explanations.region import Region, RegionSettings, find_regions
from explanans.images import drawing
from explanans.utils.disk_array import DiskArray

PICTURES = ("mask", "overlay", "cutout")
PACKING = 2
"""Of PNGs, by zlib: a quarter of the time that Pillow's own level 6 takes, for 7 % more bytes of a photo."""


@dataclass(frozen=True, eq=False, repr=False)
class ClassExplanation:
    """One class in one photo.

    Attributes:
        name, index: the class.
        probability: the classifier's, on the whole photo.
        input_mask: float32 (h, w) in [0, 1] at the classifier's input size, before it is stretched; the receipt is
            about this one.
        mask_threshold: a pixel is inside where the mask is at least this.
        receipt: None where none was asked for.
        picture: the photo, RGB at its own resolution.
        colour: RGB, for drawing.
    """

    name: str
    index: int
    probability: float
    input_mask: drawing.Mask
    mask_threshold: float
    receipt: Receipt | None
    picture: Image.Image
    colour: drawing.Colour

    def __repr__(self) -> str:
        return f"ClassExplanation({self.name} {self.probability:.2f})"

    @cached_property
    def mask(self) -> drawing.Mask:
        """float32 (H, W) in [0, 1] at the photo's own resolution: ``input_mask`` stretched bilinearly."""
        return drawing.resize_mask(self.input_mask, (self.picture.height, self.picture.width))

    def overlay(self, opacity: float = 0.6) -> Image.Image:
        """The photo, tinted where the mask is; see :func:`explanans.images.drawing.overlay`."""
        return drawing.overlay(self.picture, self.mask, self.colour, opacity)

    def contour(self) -> Image.Image:
        """The photo with the outline of the binarised mask; see :func:`explanans.images.drawing.contour`."""
        return drawing.contour(self.picture, self.mask, self.colour, self.mask_threshold)

    def cutout(self) -> Image.Image:
        """RGBA: the photo with the mask as its alpha channel."""
        return drawing.cutout(self.picture, self.mask)

    def regions(
        self, settings: RegionSettings | None = None, classifier: Explanandum | None = None
    ) -> tuple[Region, ...]:
        """Where the binarised mask is, in connected regions, from the largest to the smallest.

        Args:
            settings: what is too small, and the scale; see :class:`explanans.explanations.region.RegionSettings`.
            classifier: is asked about each region alone; without it they have no receipts.

        Raises:
            InputError: scikit-image is not installed.
        """
        mask, picture = self._measured()
        return find_regions(
            mask,
            self.name,
            self.index,
            self.probability,
            threshold=self.mask_threshold,
            settings=settings,
            picture=picture,
            classifier=classifier,
        )

    def _measured(self) -> tuple[drawing.Mask | DiskArray, Image.Image]:
        """The mask and the picture that regions are of."""
        return self.mask, self.picture

    def _repr_html_(self) -> str:
        """What a notebook shows; see :mod:`explanans.explanations.html`."""
        return explanation_html(self.picture, [self], describe_size(self.picture.size))

    def figure(self) -> Image.Image:
        """Photo and tinted photo side by side, with the receipt; see :func:`explanans.explanations.figure.figure`."""
        return figure(self.picture, [self], "photo", [describe_size(self.picture.size)])

    def save(self, folder: Path) -> dict[str, Any]:
        """Write mask, overlay and cut-out at the photo's resolution; returns the class's entry in the result file."""
        files = {kind: f"{file_stem(self.name, self.index)}.{kind}.png" for kind in PICTURES}
        self._write(**{kind: folder / file for kind, file in files.items()})
        receipt = None if self.receipt is None else self.receipt.to_dict()
        return {"name": self.name, "index": self.index, "probability": self.probability, "receipt": receipt, **files}

    def _write(self, mask: Path, overlay: Path, cutout: Path) -> None:
        drawing.to_grey(self.mask).save(mask, compress_level=PACKING)
        self.overlay().save(overlay, compress_level=PACKING)
        self.cutout().save(cutout, compress_level=PACKING)


def file_stem(name: str, index: int) -> str:
    """A class's name as the beginning of a file name that every file system takes, made unique by its index."""
    plain = re.sub(r"[^\w-]+", "_", name).encode()[:100].decode(errors="ignore")
    return f"{plain or '_'}-{index}"
