"""An annotation file of COCO → flat arrays, without ever holding more than one annotation as Python objects."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as masks

from explanans.data.datasets.coco.categories import CLASS_OF, check_categories
from explanans.errors import InputError

Arrays = dict[str, np.ndarray]

_SPACE = re.compile(r"[ \t\n\r]*")
_SMALLEST_POLYGON = 6
_HUNDREDTHS = 100


class _Annotations:
    """Columns that grow by one annotation at a time."""

    def __init__(self) -> None:
        self.id, self.image, self.category = array("q"), array("q"), array("B")
        self.crowd = array("B")
        self.parts, self.numbers, self.points = array("q", [0]), array("q", [0]), array("d")
        self.codes, self.code_ends = bytearray(), array("q", [0])
        self.sizes: dict[int, tuple[int, int]] = {}

    def add(self, entry: dict[str, Any]) -> None:
        if entry["category_id"] not in CLASS_OF:
            raise InputError(f"category_id={entry['category_id']!r} is none of COCO's 80 categories")
        row = len(self.id)
        shape = entry["segmentation"]
        if isinstance(shape, dict):
            self._add_code(row, shape)
        else:
            self._add_polygons(shape)
        self.parts.append(len(self.numbers) - 1)
        self.code_ends.append(len(self.codes))
        self.id.append(entry["id"])
        self.image.append(entry["image_id"])
        self.category.append(CLASS_OF[entry["category_id"]])
        self.crowd.append(1 if entry.get("iscrowd", 0) else 0)

    def _add_polygons(self, polygons: list[list[float]]) -> None:
        for polygon in polygons:
            if len(polygon) % 2:
                raise InputError(f"a polygon of {len(polygon)} numbers, which are no pairs of x and y")
            # Fewer than three corners enclose nothing.
            if len(polygon) >= _SMALLEST_POLYGON:
                self.points.extend(polygon)
                self.numbers.append(len(self.points))

    def _add_code(self, row: int, code: dict[str, Any]) -> None:
        height, width = code["size"]
        counts = code["counts"]
        if isinstance(counts, list):
            if sum(counts) != height * width:
                raise InputError(f"run lengths for {sum(counts)} pixels in a mask of {height} x {width}")
            counts = masks.frPyObjects(code, height, width)["counts"]
        self.codes += counts.encode() if isinstance(counts, str) else counts
        self.sizes[row] = (height, width)


def parse_annotations(path: Path, text: str, advance: Callable[[int], None] = lambda position: None) -> Arrays:
    """The arrays of an annotation file, of n images, m annotations and p polygons.

    ``image_id`` (n,) int64, ascending; ``height``, ``width`` (n,) int32; ``file_name`` (n, longest) uint8, UTF-8 filled
    up with zeros. Annotations keep the file's order: ``category`` (m,) uint8, 0 to 79; ``crowd`` (m,) bool. Slices are
    half-open: annotation a has the polygons parts[a] : parts[a + 1]; polygon j has the numbers numbers[j] :
    numbers[j + 1] of ``points``, which are x, y, x, y, … in pixels (float64), or in hundredths of a pixel (int32) where
    that is exact; annotation a has the bytes code_ends[a] : code_ends[a + 1] of ``codes``, a compressed RLE.
    ``order`` (m,) int64: annotations by image and then by number; image i has those of order[first[i] : first[i + 1]].
    Polygons with fewer than three corners are left out.

    Args:
        path: named in errors.
        text: the file's content.
        advance: called now and then with the position in the text.

    Raises:
        InputError: no JSON, other categories than COCO's, or an image or annotation that is incomplete or wrong.
    """
    images: dict[int, tuple[int, int, bytes]] = {}
    categories: list[Any] = []
    annotations = _Annotations()
    for position, key, entry in _entries(text, path):
        try:
            if key == "annotations":
                annotations.add(entry)
            elif key == "images":
                images[int(entry["id"])] = (entry["height"], entry["width"], entry["file_name"].encode())
            elif key == "categories":
                categories.append(entry)
        except (InputError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            number = entry.get("id", "without id") if isinstance(entry, dict) else entry
            fault = f"has no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}: {key.removesuffix('s')} {number}: {fault}.") from error
        if len(annotations.id) % 1000 == 0:
            advance(position)
    if not images:
        raise InputError(f"{path} lists no images; give instances_train2014.json or instances_val2014.json.")
    check_categories(categories, path)
    return _arrays(images, annotations, path)


def _entries(text: str, path: Path) -> Iterator[tuple[int, str, Any]]:
    """(position, key, element) of every array of the outermost object, element by element; other values are skipped."""
    decode = json.JSONDecoder().raw_decode

    def skip(position: int) -> int:
        return _SPACE.match(text, position).end()  # type: ignore[union-attr]

    def expect(position: int, characters: str) -> str:
        if text[position : position + 1] not in tuple(characters):
            raise InputError(f"{path} is no annotation file: expected {' or '.join(characters)} at byte {position}.")
        return text[position]

    try:
        position = skip(0)
        expect(position, "{")
        position = skip(position + 1)
        while text[position : position + 1] != "}":
            key, position = decode(text, position)
            position = skip(position)
            expect(position, ":")
            position = skip(position + 1)
            if text[position : position + 1] != "[":
                _, position = decode(text, position)
            else:
                position = skip(position + 1)
                while text[position : position + 1] != "]":
                    value, position = decode(text, position)
                    yield position, key, value
                    position = skip(position)
                    if expect(position, ",]") == ",":
                        position = skip(position + 1)
                position += 1
            position = skip(position)
            if expect(position, ",}") == ",":
                position = skip(position + 1)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is damaged or no JSON ({error.msg} at byte {error.pos}); fetch the file anew."
        ) from error


def _arrays(images: dict[int, tuple[int, int, bytes]], annotations: _Annotations, path: Path) -> Arrays:
    ids = np.array(sorted(images), dtype=np.int64)
    rows = [images[number] for number in ids.tolist()]
    height, width = (np.array([row[i] for row in rows], dtype=np.int32) for i in (0, 1))
    names = np.array([row[2] for row in rows], dtype=bytes)
    image = np.frombuffer(annotations.image, dtype=np.int64)
    row_of = np.searchsorted(ids, image).clip(max=len(ids) - 1)
    if (strangers := np.flatnonzero(ids[row_of] != image)).size:
        a = int(strangers[0])
        raise InputError(f"{path}: annotation {annotations.id[a]} belongs to image {image[a]}, which is not listed.")
    for a, size in annotations.sizes.items():
        if size != (expected := (height[row_of[a]], width[row_of[a]])):
            raise InputError(
                f"{path}: annotation {annotations.id[a]} has a mask of {size[0]} x {size[1]} pixels, its image "
                f"{image[a]} has {expected[0]} x {expected[1]}."
            )
    order = np.lexsort((np.frombuffer(annotations.id, dtype=np.int64), row_of))
    return {
        "image_id": ids,
        "height": height,
        "width": width,
        "file_name": names.view(np.uint8).reshape(len(ids), -1),
        "first": np.searchsorted(row_of[order], np.arange(len(ids) + 1)),
        "order": order,
        "category": np.frombuffer(annotations.category, dtype=np.uint8),
        "crowd": np.frombuffer(annotations.crowd, dtype=bool),
        "parts": np.frombuffer(annotations.parts, dtype=np.int64),
        "numbers": np.frombuffer(annotations.numbers, dtype=np.int64),
        "points": _compact(np.frombuffer(annotations.points, dtype=np.float64)),
        "code_ends": np.frombuffer(annotations.code_ends, dtype=np.int64),
        "codes": np.frombuffer(annotations.codes, dtype=np.uint8),
    }


def _compact(points: np.ndarray) -> np.ndarray:
    """Hundredths in half the space if no coordinate has more decimals, as in the published files.

    Division rounds to the nearest double, which is what the decimal in the file was read as: nothing changes.
    """
    if np.abs(points).max(initial=0) < np.iinfo(np.int32).max / _HUNDREDTHS:
        hundredths = np.rint(points * _HUNDREDTHS).astype(np.int32)
        if np.array_equal(hundredths / _HUNDREDTHS, points):
            return hundredths
    return points


def coordinates(points: np.ndarray) -> np.ndarray:
    """Float64 pixels from what :func:`parse_annotations` keeps as ``points``."""
    return points / _HUNDREDTHS if points.dtype == np.int32 else points
