from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from explanans.deploy.annotations.tools import write_annotations
from explanans.deploy.annotations.yolo import outer_centres

from .conftest import HEIGHT, WIDTH
from .explained_masks import masks_of, random_masks, regions_of


def test_yolo_polygons_are_filled_by_opencv(explained: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs SciPy")
    out = write_annotations(explained / "out", tmp_path / "yolo", "yolo")
    assert 'names:\n  0: "crack"\n  1: "rust & <moss>"\n' in (out / "data.yaml").read_text()
    for name, collection in zip(("a", "north/b"), regions_of(explained), strict=True):
        lines = (out / "labels" / f"{name}.txt").read_text().splitlines()
        for line, (label, mask) in zip(lines, masks_of(collection), strict=True):
            number, *values = line.split()
            assert number == ("0" if label == "crack" else "1")
            points = np.rint(np.array(values, float).reshape(-1, 2) * [WIDTH, HEIGHT]).astype(np.int32)
            drawn = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [points], 1).astype(bool)
            # The square's hole is filled: the format has none.
            filled = ndimage.binary_fill_holes(mask)
            assert (filled.sum() > mask.sum()) == (label == "crack" and mask.sum() > 50)
            assert (drawn == filled).all()


def test_yolo_rings_of_random_regions() -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs SciPy")
    for mask in random_masks()[:-1]:
        numbers, count = ndimage.label(mask, np.ones((3, 3)))
        for number in range(1, count + 1):
            region = numbers == number
            (ring,) = outer_centres(region)
            drawn = cv2.fillPoly(np.zeros(region.shape, np.uint8), [ring.astype(np.int32)], 1).astype(bool)
            assert (drawn == ndimage.binary_fill_holes(region)).all()


def test_yolo_is_what_supervision_reads(explained: Path, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    out = write_annotations(explained / "out", tmp_path / "yolo", "yolo")
    (out / "images").mkdir()
    shutil.copy(explained / "photos" / "a.png", out / "images" / "a.png")
    read = supervision.DetectionDataset.from_yolo(
        str(out / "images"), str(out / "labels"), str(out / "data.yaml"), force_masks=True
    )
    assert read.classes == ["crack", "rust & <moss>"]
    ((_, _, detections),) = list(read)
    for found, (name, mask) in zip(detections.mask, masks_of(regions_of(explained)[0]), strict=True):
        if name != "crack":
            assert (found == mask).all()
    assert detections.class_id.tolist() == [0, 0, 1]
