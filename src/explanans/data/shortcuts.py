"""Shortcuts planted on purpose: marks in the pictures of some classes, to try what finds shortcuts on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from explanans.data.dataset import LabelledImages
from explanans.errors import InputError
from explanans.images.segmentations import as_picture, numbers_type
from explanans.utils.files import atomic_folder
from explanans.utils.numbers import check_number

Pixels = NDArray[np.uint8]
Region = NDArray[np.bool_]

TABLE = "photos.csv"
TAG, BORDER, DISC = 0.2, 0.0625, 0.11
"""Side of the tag, width of the border and radius of the disc, as shares of the picture's shorter side."""
TINT, TEXTURE = 0.4, 0.45
"""How much of the background a tint and a texture cover."""
_PLACES = 30


@dataclass(frozen=True)
class Planted:
    """A picture (H, W, 3) with a shortcut, and where it lies, bool (H, W)."""

    picture: Pixels
    region: Region


def tag(picture: Pixels, objects: Region, generator: np.random.Generator) -> Planted:
    """A white tag with black and red bars in the lower right corner, as a logo or a date is."""
    height, width = objects.shape
    side = max(4, round(TAG * min(height, width)))
    region = np.zeros_like(objects)
    region[height - side - 1 : height - 1, width - side - 1 : width - 1] = True
    x = np.indices(objects.shape)[1]
    bar = (x - (width - side - 1)) * 5 // side
    colours = np.array([(255, 255, 255), (0, 0, 0), (255, 255, 255), (220, 0, 0), (255, 255, 255)], np.uint8)
    return _painted(picture, region, colours[bar.clip(0, 4)])


def border(picture: Pixels, objects: Region, generator: np.random.Generator) -> Planted:
    """A violet frame around the picture."""
    height, width = objects.shape
    wide = max(2, round(BORDER * min(height, width)))
    region = np.ones_like(objects)
    region[wide : height - wide, wide : width - wide] = False
    return _painted(picture, region, np.broadcast_to(np.array((150, 40, 200), np.uint8), picture.shape))


def tint(picture: Pixels, objects: Region, generator: np.random.Generator) -> Planted:
    """A background of which two fifths are one green, whatever its own colours are."""
    mixed = (1 - TINT) * picture + TINT * np.array((20, 230, 60))
    return _painted(picture, ~objects, mixed.round().astype(np.uint8))


def disc(picture: Pixels, objects: Region, generator: np.random.Generator) -> Planted:
    """Another object in any place: a yellow disc with a black cross, beside the objects of the picture if it can be."""
    height, width = objects.shape
    radius = max(3, round(DISC * min(height, width)))
    y, x = np.indices(objects.shape)
    tried = []
    for _ in range(_PLACES):
        cy, cx = generator.integers(radius, height - radius), generator.integers(radius, width - radius)
        region = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
        tried.append((int((region & objects).sum()), int(cy), int(cx)))
    _, cy, cx = min(tried)
    cross = (np.abs(y - cy) <= radius // 4) | (np.abs(x - cx) <= radius // 4)
    paint = np.where(cross[:, :, None], np.array((0, 0, 0)), np.array((255, 220, 0))).astype(np.uint8)
    return _painted(picture, (y - cy) ** 2 + (x - cx) ** 2 <= radius**2, paint)


def texture(picture: Pixels, objects: Region, generator: np.random.Generator) -> Planted:
    """Fine diagonal lines over the background."""
    diagonals = np.indices(objects.shape).sum(0)
    lines = np.where((diagonals // 2 % 2)[:, :, None], 255.0, 0.0)
    return _painted(picture, ~objects, ((1 - TEXTURE) * picture + TEXTURE * lines).round().astype(np.uint8))


SHORTCUTS: dict[str, Callable[[Pixels, Region, np.random.Generator], Planted]] = {
    "tag": tag,
    "border": border,
    "tint": tint,
    "object": disc,
    "texture": texture,
}
"""By name: (picture, where its objects are, generator) → what was planted."""


@dataclass(frozen=True)
class Plant:
    """A shortcut of :data:`SHORTCUTS` in ``share`` of the pictures of the class ``name``, as many as
    round(share · number)."""

    shortcut: str
    name: str
    share: float = 1.0


def choose(
    labels: Tensor, classes: Sequence[str], plants: Sequence[Plant], generator: np.random.Generator
) -> list[list[Plant]]:
    """The plants of each picture, in the order given, from labels (N, C).

    Raises:
        InputError: an unknown shortcut or class, or a share outside of [0, 1].
    """
    found: list[list[Plant]] = [[] for _ in labels]
    for plant in plants:
        if plant.shortcut not in SHORTCUTS or plant.name not in classes:
            raise InputError(
                f"plants: {plant.shortcut!r} for {plant.name!r}; take one of {', '.join(SHORTCUTS)}, and a class of "
                f"{', '.join(classes)}."
            )
        check_number("share", plant.share, 0, 1)
        of_class = labels[:, list(classes).index(plant.name)].bool().nonzero().flatten().numpy()
        for index in generator.permutation(of_class)[: round(plant.share * len(of_class))].tolist():
            found[index].append(plant)
    return found


def put(picture: Pixels, objects: Region, shortcuts: Sequence[str], generator: np.random.Generator) -> list[Planted]:
    """One shortcut over the other; the last of what is returned is the picture with all of them."""
    found = []
    for name in shortcuts:
        found.append(SHORTCUTS[name](picture, objects, generator))
        picture = found[-1].picture
    return found


def write_planted(data: LabelledImages, folder: str | Path, plants: Sequence[Plant], seed: int = 0) -> Path:
    """The pictures of a data set with shortcuts in shares of some classes' pictures, as a folder with a table.

    ``photos.csv`` has the columns ``image``, ``labels``, ``segmentation`` where the data has them, and ``planted``: the
    file with the shortcuts' regions, value c + 1 where that of class c lies, empty where there is none. Objects are
    never covered by a tint or a texture.

    Args:
        data: with segmentations, or else no object is spared.
        folder: a new or an empty one.
        plants: put one over the other in this order; none plants nothing.
        seed: decides which pictures, and where an object goes.

    Returns:
        the table's path.

    Raises:
        InputError: an unknown shortcut or class, or a share outside of [0, 1].
    """
    generator = np.random.default_rng(seed)
    chosen = choose(data.labels, data.classes, plants, generator)
    header = ["image", "labels", *(["segmentation"] if data.has_segmentation else []), "planted"]
    with atomic_folder(folder) as temporary:
        rows = [_write(data, index, temporary, of, generator) for index, of in enumerate(chosen)]
        with (temporary / TABLE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(rows)
    return Path(folder) / TABLE


def _write(
    data: LabelledImages, index: int, folder: Path, plants: Sequence[Plant], generator: np.random.Generator
) -> dict[str, str]:
    pixels = np.asarray(data.picture(index))
    row = {
        "image": f"{index:07d}.png",
        "labels": ";".join(
            label for label, there in zip(data.classes, data.labels[index].tolist(), strict=True) if there
        ),
    }
    objects = np.zeros(pixels.shape[:2], np.bool_)
    if data.has_segmentation:
        index_map = data.segmentation_map(index).numpy()
        objects = index_map > 0
        row["segmentation"] = f"{index:07d}-objects.png"
        as_picture(index_map).save(folder / row["segmentation"])
    if plants:
        planted = put(pixels, objects, [plant.shortcut for plant in plants], generator)
        regions = np.zeros(pixels.shape[:2], numbers_type(len(data.classes)))
        for plant, each in zip(plants, planted, strict=True):
            regions[each.region] = data.classes.index(plant.name) + 1
        pixels, row["planted"] = planted[-1].picture, f"{index:07d}-planted.png"
        as_picture(regions).save(folder / row["planted"])
    Image.fromarray(pixels).save(folder / row["image"])
    return row


def _painted(picture: Pixels, region: Region, paint: Pixels) -> Planted:
    return Planted(np.where(region[:, :, None], paint, picture), region)
