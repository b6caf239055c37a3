"""One class in one photo: its mask, its receipt, and how they are drawn and saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from explanans.explanations.figure import Panel, describe_size, figure
from explanans.explanations.receipt import Receipt
from explanans.images import drawing


@dataclass(frozen=True, eq=False, repr=False)
class ClassExplanation:
    """One class in one photo.

    Attributes:
        name, index: the class.
        probability: the classifier's, on the whole photo.
        input_mask: float32 (h, w) in [0, 1] at the classifier's input size, as the Explainer predicts it; the receipt
            is about this one.
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

    @property
    def panel(self) -> Panel:
        return Panel(self.name, self.probability, self.input_mask, self.colour, self.mask_threshold, self.receipt)

    def overlay(self, opacity: float = 0.6) -> Image.Image:
        """The photo, tinted where the mask is; see :func:`explanans.images.drawing.overlay`."""
        return drawing.overlay(self.picture, self.mask, self.colour, opacity)

    def contour(self) -> Image.Image:
        """The photo with the outline of the binarised mask; see :func:`explanans.images.drawing.contour`."""
        return drawing.contour(self.picture, self.mask, self.colour, self.mask_threshold)

    def cutout(self) -> Image.Image:
        """RGBA: the photo with the mask as its alpha channel."""
        return drawing.cutout(self.picture, self.mask)

    def figure(self) -> Image.Image:
        """Photo and tinted photo side by side, with the receipt; see :func:`explanans.explanations.figure.figure`."""
        return figure(self.picture, [self.panel], "photo", [describe_size(self.picture)])

    def save(self, folder: Path) -> dict[str, Any]:
        """Write mask, overlay and cut-out at the photo's resolution; returns the class's entry in the result file."""
        pictures = {"mask": drawing.to_grey(self.mask), "overlay": self.overlay(), "cutout": self.cutout()}
        files = {kind: f"{file_stem(self.name, self.index)}.{kind}.png" for kind in pictures}
        for kind, picture in pictures.items():
            picture.save(folder / files[kind])
        receipt = None if self.receipt is None else self.receipt.to_dict()
        return {"name": self.name, "index": self.index, "probability": self.probability, "receipt": receipt, **files}


def file_stem(name: str, index: int) -> str:
    """A class's name as the beginning of a file name that every file system takes, made unique by its index."""
    plain = re.sub(r"[^\w-]+", "_", name).encode()[:100].decode(errors="ignore")
    return f"{plain or '_'}-{index}"
