"""From the mask of a class to regions: each with its size, its place, its length and width, and its own receipt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.receipt import FILLS, Receipt, receipts
from explanans.images.drawing import Mask, resize_mask
from explanans.ops.centre_line import Points, centre_line
from explanans.ops.cut_regions import AT_ONCE, Box, cut_regions, values_of
from explanans.ops.fine_area import fine_area
from explanans.ops.outlines import Ring, outlines
from explanans.ops.snapping import snapped_to_edges
from explanans.utils.devices import like
from explanans.utils.disk_array import DiskArray


@dataclass(frozen=True)
class RegionSettings:
    """How regions are made of a mask.

    Attributes:
        smallest: pixels of the photo that a region has at least; what is smaller is dropped.
        largest_hole: holes of at most so many pixels are filled.
        snap: let the mask's border follow the edges in the photo first
            (:func:`explanans.ops.refinement.adapt_to_pixels`); slow on large photos.
        mm_per_pixel: millimetres that a pixel of the photo is wide, where they are known: sizes are then given in
            millimetres too.
        receipts: how many regions of a class get a receipt of their own, from the largest down; each costs as much as
            that of a mask.
    """

    smallest: int = 16
    largest_hole: int = 16
    snap: bool = False
    mm_per_pixel: float | None = None
    receipts: int = 20

    def __post_init__(self) -> None:
        counted = {
            "smallest": "the pixels of the smallest region",
            "largest_hole": "the pixels of the largest hole that is filled",
            "receipts": "how many regions have a receipt",
        }
        for name, what in counted.items():
            if getattr(self, name) < 0:
                raise InputError(f"{name}={getattr(self, name)}; give {what}, from 0 up.")
        if self.mm_per_pixel is not None and not (0 < self.mm_per_pixel < math.inf):
            raise InputError(f"mm_per_pixel={self.mm_per_pixel}; give the millimetres that a pixel is wide, above 0.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Region:
    """One connected region of a class in one photo. All measures are in pixels of the photo; those in millimetres have
    it in their names, and are None where no scale was given.

    Attributes:
        name, index: the class.
        number: among the regions of its class, from 1, the largest.
        probability: of the class on the whole photo.
        area: pixels inside; ``share`` of the photo, in [0, 1].
        fine_area: with pixels at the border in part (:func:`explanans.ops.fine_area.fine_area`).
        box: left, top, width, height.
        centroid: x, y, from the upper left corner of the photo.
        mean, highest: of the mask inside.
        length: of its centre line, to its ends; of all branches together
            (:func:`explanans.ops.centre_line.centre_line`).
        mean_width: fine_area / length.
        largest_width: where it is widest.
        receipt: what the classifier says about this region alone; None where it was not asked.
        inside: bool (box height, box width).
        line: the centre line's branches, (K, 2) of x and y; none of a compact region.
        mm_per_pixel: the scale, or None.
    """

    name: str
    index: int
    number: int
    probability: float
    area: int
    fine_area: float
    share: float
    box: tuple[int, int, int, int]
    centroid: tuple[float, float]
    mean: float
    highest: float
    length: float
    mean_width: float
    largest_width: float
    receipt: Receipt | None
    inside: NDArray[np.bool_]
    line: tuple[Points, ...]
    mm_per_pixel: float | None = None

    def __repr__(self) -> str:
        says = "" if self.receipt is None else f", kept {self.receipt.kept:.2f}"
        return f"Region({self.name} {self.number}: {self.area} pixels, length {self.length:.1f}{says})"

    @cached_property
    def polygons(self) -> list[list[Ring]]:
        """Its outlines on the photo: :func:`explanans.ops.outlines.outlines`."""
        return [[ring + np.array(self.box[:2]) for ring in rings] for rings in outlines(self.inside)]

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """bool (H, W), of a photo of that size."""
        left, top, across, down = self.box
        whole = np.zeros((height, width), bool)
        whole[top : top + down, left : left + across] = self.inside
        return whole

    @property
    def area_mm2(self) -> float | None:
        return None if self.mm_per_pixel is None else self.fine_area * self.mm_per_pixel**2

    @property
    def length_mm(self) -> float | None:
        return self._scaled(self.length)

    @property
    def mean_width_mm(self) -> float | None:
        return self._scaled(self.mean_width)

    @property
    def largest_width_mm(self) -> float | None:
        return self._scaled(self.largest_width)

    def _scaled(self, pixels: float) -> float | None:
        return None if self.mm_per_pixel is None else pixels * self.mm_per_pixel


def find_regions(
    mask: Mask | DiskArray,
    name: str,
    index: int,
    probability: float,
    *,
    threshold: float = 0.5,
    settings: RegionSettings | None = None,
    picture: Image.Image | None = None,
    classifier: Explanandum | None = None,
) -> tuple[Region, ...]:
    """The regions of a class, from the largest to the smallest.

    Of a large mask memory holds some rows at a time, and each region in its box.

    Args:
        mask: (H, W) in [0, 1], at the photo's resolution; bytes are 255 · mask.
        name, index, probability: of the class.
        threshold: a pixel is inside where the mask is at least this.
        picture: the photo, RGB; needed to snap and for receipts.
        classifier: is asked about the regions; without it they have no receipts.

    Raises:
        InputError: scikit-image is not installed, or a photo is needed and not given.
    """
    settings = settings or RegionSettings()
    if picture is None and (settings.snap or classifier is not None):
        raise InputError("picture is None; snap=True and a classifier need the photo that the mask is of.")
    if picture is not None and settings.snap:
        mask = snapped_to_edges(mask, picture)
    cut = cut_regions(mask, threshold, settings.smallest, settings.largest_hole)
    asked = range(min(settings.receipts, len(cut.boxes)))
    made: Sequence[Receipt | None] = [None] * len(cut.boxes)
    if classifier is not None and picture is not None and asked:
        alone = [_at_input(cut.inside(place + 1), cut.boxes[place], mask.shape, classifier) for place in asked]
        answers = _receipts(classifier, picture, torch.from_numpy(np.stack(alone)), index)
        made = [*answers, *made[len(answers) :]]
    found = []
    for number, (where, area, receipt) in enumerate(zip(cut.boxes, cut.sizes, made, strict=True), 1):
        inside = cut.inside(number)
        line = centre_line(inside)
        top, left = (side.start for side in where)
        finer = fine_area(mask, where, inside, threshold)
        mean, highest = _mean_and_highest(mask, where, inside)
        x, y = ((inside.sum(axis) @ (np.arange(inside.shape[1 - axis]) + 0.5)) / area for axis in (0, 1))
        found.append(
            Region(
                name,
                index,
                number,
                probability,
                area,
                finer,
                area / (mask.shape[0] * mask.shape[1]),
                (left, top, inside.shape[1], inside.shape[0]),
                (float(x) + left, float(y) + top),
                mean,
                highest,
                line.length,
                finer / line.length,
                line.largest_width,
                receipt,
                inside,
                tuple(path + np.array([left, top]) for path in line.paths),
                settings.mm_per_pixel,
            )
        )
    return tuple(found)


def _mean_and_highest(mask: Mask | DiskArray, where: Box, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Of the mask in a region, some rows at a time."""
    rows, columns = where
    step = max(1, AT_ONCE // inside.shape[1])
    sums: list[float] = []
    highest = 0.0
    for top in range(0, len(inside), step):
        part = slice(rows.start + top, min(rows.start + top + step, rows.stop))
        values = values_of(mask, (part, columns)) * inside[top : top + step]
        # By rows, so that the last bit does not depend on how many are looked at together.
        sums += values.sum(axis=1, dtype=np.float64).tolist()
        highest = max(highest, float(values.max(initial=0)))
    return math.fsum(sums) / int(inside.sum()), highest


def _at_input(inside: NDArray[np.bool_], where: Box, size: tuple[int, int], classifier: Explanandum) -> Mask:
    """A region at the size of the classifier's input, as zeros and ones: at least one pixel, however small it is.

    As if the region in a photo of that size, (H, W), were resized at once: along the rows first, some at a time.
    """
    preprocessing = classifier.preprocessing
    (rows, columns), (height, width) = where, size
    narrow = np.zeros((height, preprocessing.width), np.float32)
    step = max(1, AT_ONCE // width)
    for top in range(0, len(inside), step):
        some = inside[top : top + step]
        wide = np.zeros((len(some), width), np.float32)
        wide[:, columns] = some
        narrow[rows.start + top : rows.start + top + len(some)] = resize_mask(wide, (len(some), preprocessing.width))
    covered = resize_mask(narrow, (preprocessing.height, preprocessing.width))
    return (covered >= min(0.5, float(covered.max()))).astype(np.float32)


@torch.no_grad()
def _receipts(classifier: Explanandum, picture: Image.Image, masks: torch.Tensor, index: int) -> list[Receipt]:
    """Of regions (P, h, w) of one class in one photo."""
    place = like(classifier)
    image = classifier.preprocessing(picture)[None].to(place)
    asked = torch.zeros(len(masks), classifier.num_classes, dtype=torch.bool, device=image.device)
    asked[:, index] = True
    whole = classifier.probabilities(image).expand(len(masks), -1)
    images = image.expand(len(masks), -1, -1, -1)
    return receipts(classifier, images, masks.to(place), asked, whole=whole, fills=FILLS)
