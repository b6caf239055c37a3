"""Regions as files: polygons like GeoJSON's, rows of a table, COCO's annotations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from explanans.explanations.region import Region
from explanans.ops.cut_regions import AT_ONCE
from explanans.ops.outlines import filled
from explanans.utils.records import Kind

FILE, PICTURE = "regions.json", "regions.png"
KIND = Kind(
    "regions",
    "delete the folder that it lies in, and repeat the command that made it",
    {
        "type": str,
        "width": int,
        "height": int,
        "classes": [{"name": str, "index": int, "probability": float}],
        "features": [
            {"geometry": {"coordinates": list}, "properties": {"class": str, "class_index": int, "area": int}}
        ],
    },
)

NUMBERS = (
    *("area", "fine_area", "share", "left", "top", "width", "height", "x", "y", "mean", "highest"),
    *("length", "mean_width", "largest_width"),
    *("mm_per_pixel", "area_mm2", "length_mm", "mean_width_mm", "largest_width_mm"),
    *("kept", "removed", "elsewhere", "score"),
)
COLUMNS = ("picture", "class", "class_index", "region", "probability", *NUMBERS, "word")
"""Of a table of regions; a region without receipt or scale has no value there."""


def row(region: Region) -> dict[str, Any]:
    """A region's row in a table, without the picture's name."""
    receipt = region.receipt
    left, top, width, height = region.box
    return {
        "class": region.name,
        "class_index": region.index,
        "region": region.number,
        "probability": region.probability,
        "area": region.area,
        "fine_area": region.fine_area,
        "share": region.share,
        **{"left": left, "top": top, "width": width, "height": height},
        **dict(zip(("x", "y"), region.centroid, strict=True)),
        **{name: getattr(region, name) for name in ("mean", "highest", "length", "mean_width", "largest_width")},
        "mm_per_pixel": region.mm_per_pixel,
        **{name: getattr(region, name) for name in ("area_mm2", "length_mm", "mean_width_mm", "largest_width_mm")},
        **{name: receipt and getattr(receipt, name) for name in ("kept", "removed", "elsewhere", "score", "word")},
    }


def feature_collection(
    regions: Iterable[Region], classes: Sequence[Mapping[str, Any]], source: str | None, width: int, height: int
) -> dict[str, Any]:
    """A GeoJSON FeatureCollection (RFC 7946) whose coordinates are pixels instead of degrees: x to the right, y down.

    Each feature is a Polygon with the numbers of :data:`COLUMNS` as its properties. ``source``, ``width`` and
    ``height`` are the picture's; ``classes`` are those explained, with or without a region.
    """
    features = [
        {
            "type": "Feature",
            "id": f"{region.index}-{region.number}",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[ring.tolist() for ring in rings] for rings in region.polygons],
            },
            "properties": row(region),
        }
        for region in regions
    ]
    return {
        "type": "FeatureCollection",
        "source": source,
        "width": width,
        "height": height,
        "classes": [dict(each) for each in classes],
        "features": features,
    }


def mask_of(feature: Mapping[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """The pixels (H, W) of a feature of :func:`feature_collection`, every one of them."""
    polygons = [[np.array(ring, np.float64) for ring in rings] for rings in feature["geometry"]["coordinates"]]
    return filled(polygons, height, width)


def inside_of(feature: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The pixels of a feature within its box, (box height, box width)."""
    facts = feature["properties"]
    corner = np.array([facts["left"], facts["top"]], np.float64)
    polygons = [[np.array(ring, np.float64) - corner for ring in rings] for rings in feature["geometry"]["coordinates"]]
    return filled(polygons, facts["height"], facts["width"])


def coco_code(feature: Mapping[str, Any], height: int, width: int) -> str:
    """A feature of a picture of that size as COCO's compressed run lengths, column after column; the picture is never
    whole in memory."""
    inside, facts = inside_of(feature), feature["properties"]
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    columns = max(1, AT_ONCE // (len(inside) + 2))
    for left in range(0, inside.shape[1], columns):
        # A column above the other, with a pixel outside before and behind it.
        part = np.pad(inside[:, left : left + columns].T.astype(np.int8), ((0, 0), (1, 1)))
        steps = np.diff(part, axis=1)
        for found, step in ((starts, 1), (ends, -1)):
            column, row = np.nonzero(steps == step)
            found.append((column + left + facts["left"]) * height + row + facts["top"])
    first, last = np.concatenate(starts), np.concatenate(ends)
    # A run that reaches the picture's lower edge may go on at its upper one.
    goes_on = np.concatenate([first[1:] == last[:-1], [False]])
    first, last = first[~np.roll(goes_on, 1)], last[~goes_on]
    turns = np.stack([first, last], 1).ravel()
    counts = np.diff(turns, prepend=0, append=[height * width] if turns[-1] < height * width else [])
    code = coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return code["counts"].decode("ascii")


def score_of(feature: Mapping[str, Any]) -> float:
    """The kept probability of a region's receipt, or its class's on the whole picture where it has none."""
    facts = feature["properties"]
    return float(facts["probability"] if facts.get("kept") is None else facts["kept"])


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A table as CSV with a header; nothing where a value is None."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def coco_annotations(collections: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """COCO's annotations of the regions of several pictures, each a feature collection.

    A region is an annotation with compressed run lengths (``iscrowd`` 0), its box and area. ``score`` is its kept
    probability, or its class's on the whole picture where it has no receipt. Class k is category k + 1.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: dict[int, str] = {}
    for number, each in enumerate(collections, 1):
        height, width = each["height"], each["width"]
        images.append({"id": number, "file_name": each["source"] or "", "width": width, "height": height})
        names |= {found["index"]: found["name"] for found in each["classes"]}
        for feature in each["features"]:
            facts = feature["properties"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": facts["class_index"] + 1,
                    "segmentation": {"size": [height, width], "counts": coco_code(feature, height, width)},
                    "area": facts["area"],
                    "bbox": [float(facts[side]) for side in ("left", "top", "width", "height")],
                    "iscrowd": 0,
                    "score": round(score_of(feature), 6),
                }
            )
    categories = [{"id": index + 1, "name": name} for index, name in sorted(names.items())]
    return {"images": images, "annotations": annotations, "categories": categories}
