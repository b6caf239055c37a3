"""A miniature of COCO-2014: generated scenes with everything that the published files have, in a few dozen pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks

from explanans.data.datasets.coco.categories import CATEGORIES

HEIGHT, WIDTH = 48, 64
TRAIN, TEST = 30, 15
KINDS = ("polygon", "two polygons", "compressed", "uncompressed", "crowd", "compressed crowd", "none", "whole")

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("coco") / "COCO")


@pytest.fixture
def edited(root: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """A copy whose train2014 annotations were edited."""

    def make(edit: Edit = lambda content: None) -> Path:
        copied = tmp_path / "COCO"
        shutil.copytree(root, copied)
        path = copied / "annotations/instances_train2014.json"
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))
        return copied

    return make


def write_coco(root: Path) -> Path:
    """train2014 with 30 and val2014 with 15 pictures; image i is of the kind i modulo 8, see ``_annotate``.

    The numbers of images and annotations are in no order, as in the published files.
    """
    (root / "annotations").mkdir(parents=True)
    for name, count, first in (("train2014", TRAIN, 1), ("val2014", TEST, 500)):
        rng = np.random.default_rng(first)
        (root / name).mkdir()
        images, annotations = [], []
        for i in rng.permutation(count).tolist():
            number, size = first + 7 * i, (HEIGHT, WIDTH) if i % 3 else (WIDTH, HEIGHT)
            file = f"COCO_{name}_{number:012d}.jpg"
            images.append({"id": number, "height": size[0], "width": size[1], "file_name": file, "license": 1})
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / file)
            for entry in _annotate(KINDS[i % len(KINDS)], size, rng):
                number_of = int(rng.integers(1, 1_000_000))
                annotations.append({"id": number_of, "image_id": number, "iscrowd": 0, "bbox": [0, 0, 1, 1], **entry})
        categories = [{"id": each, "name": name, "supercategory": "any"} for each, name in CATEGORIES.items()]
        content = {"info": {"year": 2014}, "images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
    return root


def _annotate(kind: str, size: tuple[int, int], rng: np.random.Generator) -> list[dict[str, Any]]:
    numbers = list(CATEGORIES)

    def entry(segmentation: object, crowd: int = 0) -> dict[str, Any]:
        return {"category_id": numbers[rng.integers(80)], "segmentation": segmentation, "iscrowd": crowd, "area": 1.0}

    blob = np.asfortranarray(_blob(size, rng))
    code = masks.encode(blob)
    compressed = {"size": list(size), "counts": code["counts"].decode()}
    runs = {"size": list(size), "counts": _runs(blob)}
    objects = [entry([_outline(size, rng)]) for _ in range(3)]
    return {
        "polygon": objects,
        "two polygons": [entry([_outline(size, rng), _outline(size, rng)]), *objects],
        "compressed": [entry(compressed), *objects],
        "uncompressed": [*objects, entry(runs)],
        "crowd": [*objects[:1], entry(runs, crowd=1)],
        "compressed crowd": [entry(compressed, crowd=1)],
        "none": [],
        "whole": [{**entry([[0, 0, size[1], 0, size[1], size[0], 0, size[0]]]), "category_id": 90}],
    }[kind]


def _outline(size: tuple[int, int], rng: np.random.Generator) -> list[float]:
    corners = int(rng.integers(3, 12))
    angle, radius = np.sort(rng.uniform(0, 2 * np.pi, corners)), rng.uniform(3, 25)
    x = np.clip(rng.uniform(0, size[1]) + radius * np.cos(angle), 0, size[1])
    y = np.clip(rng.uniform(0, size[0]) + radius * np.sin(angle), 0, size[0])
    return np.stack([x, y], 1).round(2).ravel().tolist()


def _blob(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    centre = rng.uniform(10, 40, 2)
    return (((y - centre[0]) ** 2 + (x - centre[1]) ** 2) < rng.uniform(5, 15) ** 2).astype(np.uint8)


def _runs(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of 0, 1, 0, … down the columns."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths
