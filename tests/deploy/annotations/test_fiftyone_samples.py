from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.deploy.annotations.fiftyone_samples import field_of, fiftyone_dataset, fiftyone_samples, mask_targets
from explanans.errors import InputError
from explanans.explanations.region_files import KIND, mask_of
from explanans.utils.records import read_json

from .conftest import HEIGHT, WIDTH


class Sample(dict[str, Any]):
    def __init__(self, filepath: str) -> None:
        self.filepath = filepath


class Dataset:
    made: tuple[str, ...] = ("taken",)

    def __init__(self, name: str | None, persistent: bool, overwrite: bool) -> None:
        self.name, self.persistent, self.overwrite = name, persistent, overwrite
        self.samples: list[Any] = []

    def add_samples(self, samples: list[Any], dynamic: bool) -> None:
        assert dynamic
        self.samples += samples


def stand_in() -> ModuleType:
    """What is used of FiftyOne, and holds what it is given."""
    module = ModuleType("fiftyone")
    names = ("Classification", "Classifications", "Heatmap", "Segmentation", "Detection", "Detections")
    vars(module).update(dict.fromkeys(names, SimpleNamespace), Sample=Sample, Dataset=Dataset)
    vars(module)["dataset_exists"] = lambda name: name in Dataset.made
    return module


def its_own() -> Any:
    if importlib.util.find_spec("fiftyone") is None:
        pytest.skip("needs fiftyone")
    # What its own imports warn of is not ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("fiftyone")


@pytest.fixture(params=["its own classes", "a stand-in"])
def fiftyone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "1")
    if request.param == "its own classes":
        return its_own()
    monkeypatch.setitem(sys.modules, "fiftyone", stand_in())
    return sys.modules["fiftyone"]


def test_samples(explained: Path, fiftyone: Any) -> None:
    samples = list(fiftyone_samples(explained / "out"))
    assert [sample.filepath for sample in samples] == [
        str(explained / "photos" / name) for name in ("a.png", "north/b.png")
    ]
    index = json.loads((explained / "out" / "index.json").read_text())
    for sample, each in zip(samples, index["images"], strict=True):
        folder = explained / "out" / each["folder"]
        wanted = json.loads((folder / "explanation.json").read_text())["classes"]
        found = sample["classes"].classifications
        assert [(one.label, one.confidence) for one in found] == [(one["name"], one["probability"]) for one in wanted]
        for one, entry in zip(found, wanted, strict=True):
            receipt = entry["receipt"]
            heatmap = sample[field_of(entry["name"], entry["index"])]
            assert (heatmap.map_path, list(heatmap.range)) == (str(folder / entry["mask"]), [0, 255])
            for label in (one, heatmap):
                assert [label.kept, label.removed, label.area] == [receipt[k] for k in ("kept", "removed", "area")]
                assert label.word == receipt["word"]


def test_segmentations_and_regions(explained: Path, fiftyone: Any) -> None:
    first = next(iter(fiftyone_samples(explained / "out", heatmaps=False)))
    with Image.open(explained / "photos" / "a.png") as opened:
        pixels = np.asarray(opened)
    # The masks are the red and the green of the photo, and the classifier knows red as its first class.
    assert (first["segmentation"].mask == (pixels[..., 0] > 0) + 2 * (pixels[..., 1] > 0)).all()
    assert mask_targets(explained / "out") == {1: "crack", 2: "rust & <moss>"}
    with pytest.raises((KeyError, AttributeError)):
        first["heatmap_crack_0"]
    (path,) = (explained / "out").glob("a-*/regions.json")
    features = read_json(path, KIND)["features"]
    detections = first["regions"].detections
    assert [each.label for each in detections] == ["crack", "crack", "rust & <moss>"]
    for each, feature in zip(detections, features, strict=True):
        left, top, width, height = np.rint(np.array(each.bounding_box) * [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(int)
        whole = np.zeros((HEIGHT, WIDTH), bool)
        whole[top : top + height, left : left + width] = each.mask
        assert (whole == mask_of(feature, HEIGHT, WIDTH)).all()
        facts = feature["properties"]
        assert (each.confidence, each.kept, each.length) == (facts["kept"], facts["kept"], facts["length"])
        assert (each.index, each.area) == (facts["region"], whole.sum())


def test_a_dataset(explained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", stand_in())
    dataset = fiftyone_dataset(explained / "out", "walls", persistent=False)
    assert (dataset.name, dataset.persistent, len(dataset.samples)) == ("walls", False, 2)
    assert dataset.default_mask_targets == {1: "crack", 2: "rust & <moss>"}
    with pytest.raises(InputError, match="overwrite=True"):
        fiftyone_dataset(explained / "out", "taken")
    assert fiftyone_dataset(explained / "out", "taken", overwrite=True).overwrite


def test_a_dataset_in_its_database(explained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "1")
    fiftyone = its_own()
    try:
        fiftyone.list_datasets()
    except Exception as error:  # each of its parts has errors of its own
        with pytest.raises(InputError, match="FIFTYONE_DATABASE_URI"):
            fiftyone_dataset(explained / "out", "explanans test")
        pytest.skip(f"FiftyOne's database does not start: {error}")
    dataset = fiftyone_dataset(explained / "out", "explanans test", overwrite=True, persistent=False)
    try:
        assert len(dataset) == 2
        kept = dataset.values("heatmap_crack_0.kept")
        assert kept == [sample["heatmap_crack_0"].kept for sample in fiftyone_samples(explained / "out")]
    finally:
        dataset.delete()


@pytest.mark.bad_input
def test_without_fiftyone(explained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(InputError, match=r"pip install 'explanans\[fiftyone\]'"):
        fiftyone_dataset(explained / "out")
    monkeypatch.setitem(sys.modules, "fiftyone", stand_in())
    with pytest.raises(InputError, match="no folder of explanations"):
        list(fiftyone_samples(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="explain WHO PICTURES --out FOLDER"):
        list(fiftyone_samples(tmp_path))


def test_names_of_fields() -> None:
    assert field_of("rust & <moss>", 1) == "heatmap_rust_moss_1"
    assert field_of("été", 7) == "heatmap_t_7"
