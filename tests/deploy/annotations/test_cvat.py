from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from explanans.deploy.annotations.cvat import run_lengths_of
from explanans.deploy.annotations.tools import write_annotations

from .conftest import HEIGHT, WIDTH
from .explained_masks import masks_of, regions_of


def test_cvat(explained: Path, tmp_path: Path) -> None:
    out = write_annotations(explained / "out", tmp_path / "cvat", "cvat")
    root = ET.parse(out / "annotations.xml").getroot()
    assert [label.findtext("name") for label in root.iter("label")] == ["crack", "rust & <moss>"]
    for image, collection in zip(root.iter("image"), regions_of(explained), strict=True):
        assert (image.get("width"), image.get("height")) == (str(WIDTH), str(HEIGHT))
        for shape, (name, mask) in zip(image.iter("mask"), masks_of(collection), strict=True):
            left, top, width, height = (int(shape.attrib[side]) for side in ("left", "top", "width", "height"))
            counts = [int(each) for each in shape.attrib["rle"].split(",")]
            values = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
            assert (values == mask[top : top + height, left : left + width]).all()
            assert mask.sum() == values.sum()
            assert shape.get("label") == name
            assert math.isfinite(float(shape.findtext("attribute") or "nan"))
    assert run_lengths_of(np.array([[True, False], [False, True]])) == [0, 1, 2, 1]


def test_cvat_is_what_its_sdk_reads(explained: Path, tmp_path: Path) -> None:
    masks = pytest.importorskip("cvat_sdk.masks", reason="needs cvat-sdk")
    out = write_annotations(explained / "out", tmp_path / "cvat", "cvat")
    root = ET.parse(out / "annotations.xml").getroot()
    for image, collection in zip(root.iter("image"), regions_of(explained), strict=True):
        for shape, (_, mask) in zip(image.iter("mask"), masks_of(collection), strict=True):
            left, top, width, height = (int(shape.attrib[side]) for side in ("left", "top", "width", "height"))
            code = [*map(int, shape.attrib["rle"].split(",")), left, top, left + width - 1, top + height - 1]
            assert (masks.decode_mask(code, image_width=WIDTH, image_height=HEIGHT) == mask).all()
            assert masks.encode_mask(mask) == code


def test_cvat_is_what_datumaro_reads(explained: Path, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="needs datumaro")
    out = write_annotations(explained / "out", tmp_path / "cvat", "cvat")
    read = datumaro.Dataset.import_from(str(out), "cvat")
    collections = {Path(each["source"]).stem: each for each in regions_of(explained)}
    assert len(read) == 2
    for item in read:
        wanted = masks_of(collections[Path(item.id).name])
        assert len(item.annotations) == len(wanted)
        for annotation, (_, mask) in zip(item.annotations, wanted, strict=True):
            assert (np.asarray(annotation.image, bool) == mask).all()
