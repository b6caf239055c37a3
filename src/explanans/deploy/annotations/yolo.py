"""Regions as the lines of YOLO's segmentation format: a class and a polygon, as shares of width and height."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from explanans.explanations.region_files import mask_of

Ring = NDArray[np.float64]


def yolo_lines(collection: Mapping[str, Any], classes: Sequence[str]) -> str:
    """The text file of a picture: a line ``CLASS x y x y …`` for each region.

    The polygon goes through the centres of the outermost pixels, counted as OpenCV does (the first is at 0), whose
    ``fillPoly`` makes the region of it again. The format knows no holes: they are filled. It knows no score either.
    """
    height, width = collection["height"], collection["width"]
    lines = []
    for feature in collection["features"]:
        number = classes.index(feature["properties"]["class"])
        for ring in outer_centres(mask_of(feature, height, width)):
            # Rounded so that a reader who multiplies and rounds has the same pixel again.
            points = " ".join(f"{x / width:.8f} {y / height:.8f}" for x, y in ring.tolist())
            lines.append(f"{number} {points}\n")
    return "".join(lines)


def data_yaml(classes: Sequence[str]) -> str:
    """``data.yaml``: where pictures are, and what the classes are called."""
    names = "".join(f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(classes))
    return f"path: .\ntrain: images\nval: images\nnc: {len(classes)}\nnames:\n{names}"


def outer_centres(region: NDArray[np.bool_]) -> list[Ring]:
    """Rings (K, 2) through the centres of the outermost pixels of a connected region, not closed; no hole."""
    # Just below 1 the outline of zeros and ones runs through the pixels that are inside, and of those that touch at a
    # corner alone it makes one only if the corner counts as inside: so one half is between them.
    generator = contour_generator(z=np.pad(region.astype(np.float32), 1), fill_type=FillType.OuterOffset)
    points, offsets = cast(Any, generator).filled(0.5 - 1e-6, 2.0)
    rings = []
    for some, places in zip(points, offsets, strict=True):
        # Each point lies half-way between a pixel inside and one outside; the one inside is taken.
        outline = np.asarray(some[: int(places[1])], np.float64) - 1
        low, high = np.floor(outline).astype(int), np.ceil(outline).astype(int)
        inside = _is_inside(region, low)
        centres = np.where(inside[:, None], low, high)
        kept = np.concatenate([[True], (np.diff(centres, axis=0) != 0).any(1)])
        ring = centres[kept].astype(np.float64)
        ring = ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring
        # A polygon has three corners at least; a single pixel or a line has some of them twice.
        rings.append(np.concatenate([ring, np.repeat(ring[-1:], max(0, 3 - len(ring)), 0)]))
    return rings


def _is_inside(region: NDArray[np.bool_], places: NDArray[np.int_]) -> NDArray[np.bool_]:
    x, y = places.T
    there = (x >= 0) & (y >= 0) & (x < region.shape[1]) & (y < region.shape[0])
    return there & region[y.clip(0, region.shape[0] - 1), x.clip(0, region.shape[1] - 1)]
