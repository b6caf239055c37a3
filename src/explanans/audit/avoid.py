"""Where the evidence of an accused class should not lie: a table that ``explanans guide`` takes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from explanans.audit.audited_photos import Photos
from explanans.audit.geometry import GRID
from explanans.audit.looked import grids
from explanans.audit.suspects import Suspect, grid_of
from explanans.images.reading import ImageError, image_size
from explanans.images.segmentations import BACKGROUND, as_picture, numbers_type
from explanans.utils.files import atomic_file

TABLE, FOLDER = "avoid.csv", "avoid"
EVERYWHERE = ("colours", "pattern")
"""Kinds of suspicions that are about whole photos."""
OFF = 0.5
"""A cell lies on the object where so much of it does."""

Cells = NDArray[np.bool_]


def regions_of(suspects: Sequence[Suspect], rows: pa.Table) -> dict[int, Cells]:
    """By photo the cells, bool (16, 16), that accusations of one class are about.

    The whole place of a ``place`` in every photo of the sample, since it is the same in all of them; where a ``thing``
    lies in those of its photos that were looked at; for a ``look-alike`` or a ``context`` what the masks of its photos
    keep. Colours and patterns have no place.

    Args:
        rows: the class's sample.
    """
    found: dict[int, Cells] = {}
    kept = dict(zip(rows["index"].to_pylist(), grids(rows) >= OFF, strict=True)) if len(rows) else {}
    for suspect in suspects:
        if not suspect.accused or suspect.kind in EVERYWHERE:
            continue
        if suspect.kind == "place":
            of = dict.fromkeys(kept, grid_of(suspect.whole))
        elif suspect.kind == "thing":
            of = {index: grid_of(cells) for index, cells in zip(suspect.examples, suspect.places, strict=True)}
        else:
            of = {index: kept[index] for index in suspect.examples if index in kept}
        for index, cells in of.items():
            found[index] = found.get(index, np.zeros_like(cells)) | cells
    return found


def write_avoid(
    out: Path, photos: Photos, classes: Sequence[str], samples: Sequence[pa.Table], suspects: Sequence[Suspect]
) -> Path | None:
    """``avoid.csv``: all photos with a column of 0 and 1 for each class, and in ``segmentation`` an index map of what
    accused evidence covers, value c + 1 for class c, without the class's objects where those are known.

    Of the class that is accused first, and of no other: what stands further down is more often wrong, and may look
    otherwise once the first is mended. None, and nothing is written, where labels are unknown or nothing that has a
    place is accused.

    Args:
        suspects: ranked.
    """
    name = next((each.name for each in suspects if each.accused and each.kind not in EVERYWHERE), None)
    if name is None or not photos.labelled:
        return None
    column = list(classes).index(name)
    by_photo = regions_of([suspect for suspect in suspects if suspect.name == name], samples[column])
    (out / FOLDER).mkdir(exist_ok=True)
    with atomic_file(out / TABLE) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *classes, "segmentation"])
        for index, path in enumerate(photos.data.paths):
            file_name = ""
            if index in by_photo:
                file_name = f"{FOLDER}/{index:07d}.png"
                as_picture(_map(photos, index, column, by_photo[index])).save(out / file_name)
            labels = photos.labels(index) or []
            writer.writerow([str(path.resolve()), *(int(there) for there in labels), file_name])
    return out / TABLE


def _map(photos: Photos, index: int, column: int, cells: Cells) -> NDArray[Any]:
    height, width = image_size(photos.data.paths[index])
    at_rows = (np.arange(height) * GRID // height).clip(max=GRID - 1)
    at_columns = (np.arange(width) * GRID // width).clip(max=GRID - 1)
    inside = cells[at_rows][:, at_columns] & ~_object(photos, index, column, (height, width))
    return np.where(inside, column + 1, BACKGROUND).astype(numbers_type(len(photos.data.classes)))


def _object(photos: Photos, index: int, column: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where the class's object is known to be in a photo, at its own size."""
    try:
        objects = photos.objects(index, [column])
    except (ImageError, ValueError):
        # The pass has said what is wrong with it, in the row's column ``trouble``.
        objects = None
    if objects is None:
        return np.zeros(size, np.bool_)
    small = Image.fromarray(objects.regions[0].numpy().astype(np.uint8))
    return np.asarray(small.resize((size[1], size[0]), Image.Resampling.NEAREST)) > 0
