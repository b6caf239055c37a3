from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from explanans.deploy.annotations.brush_code import decode_brush
from explanans.deploy.annotations.label_studio import read_label_studio
from explanans.deploy.annotations.tools import write_annotations

from .conftest import HEIGHT, WIDTH
from .explained_masks import masks_of, regions_of


def test_label_studio(explained: Path, tmp_path: Path) -> None:
    out = write_annotations(explained / "out", tmp_path / "ls", "labelstudio", prefix="/data/local-files/?d=")
    tasks = json.loads((out / "tasks.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [
        f"/data/local-files/?d={name}" for name in ("a.png", "north/b.png")
    ]
    config = ET.parse(out / "config.xml").getroot()
    assert [label.get("value") for label in config.iter("Label")] == ["crack", "rust & <moss>"] * 2
    for task, collection in zip(tasks, regions_of(explained), strict=True):
        (prediction,) = task["predictions"]
        brushes = [each for each in prediction["result"] if each["type"] == "brushlabels"]
        polygons = [each for each in prediction["result"] if each["type"] == "polygonlabels"]
        assert len(brushes) == len(polygons) == 3
        for result, feature, (name, mask) in zip(brushes, collection["features"], masks_of(collection), strict=True):
            assert result["value"]["brushlabels"] == [name]
            assert (decode_brush(result["value"]["rle"], HEIGHT, WIDTH) == mask).all()
            assert result["score"] == pytest.approx(feature["properties"]["kept"])
        assert 0 <= np.min(polygons[0]["value"]["points"]) <= np.max(polygons[0]["value"]["points"]) <= 100


def test_back_from_label_studio(explained: Path, tmp_path: Path) -> None:
    """As if a person had accepted the brushes of one photo, and looked at no other."""
    out = write_annotations(explained / "out", tmp_path / "ls", "labelstudio")
    tasks = json.loads((out / "tasks.json").read_text())
    accepted = [each for each in tasks[0]["predictions"][0]["result"] if each["type"] == "brushlabels"]
    square = {"type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT}
    square["value"] = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["crack"]}
    tasks[0]["annotations"] = [{"result": accepted}, {"result": [], "was_cancelled": True}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    drawn = list(read_label_studio(tmp_path / "export.json"))
    assert [each.name for each in drawn] == [None, "crack", "crack", "rust & <moss>"]
    for each, (name, mask) in zip(drawn[1:], masks_of(regions_of(explained)[0]), strict=True):
        assert each.name == name
        assert each.mask is not None
        assert (each.mask == mask).all()
    tasks[1]["annotations"] = [{"result": [square]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    last = list(read_label_studio(tmp_path / "export.json"))[-1]
    assert last.mask is not None
    assert (int(last.mask.sum()), last.picture) == (23 * 17, "north/b.png")
