"""The VOC loader on a whole devkit in miniature, against torchvision's and against the devkit's own lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import VOCDetection, VOCSegmentation

from explanans.data import VOC, collate, open_dataset
from explanans.data.datasets.voc import VOC_CLASSES
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

from .miniature import VOC_COUNTS, class_mask, voc_scenes, write_voc


@pytest.fixture(scope="module")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("voc"))


COUNTS = {**VOC_COUNTS, "trainval": VOC_COUNTS["train"] + VOC_COUNTS["val"]}


@pytest.mark.parametrize("split", COUNTS)
def test_lists_and_labels_against_torchvision(devkit: Path, split: str, preprocessing: Preprocessing) -> None:
    data = VOC(devkit, split, preprocessing=preprocessing)
    strict = VOC(devkit, split, difficult=False, preprocessing=preprocessing)
    theirs = VOCDetection(devkit.parents[1], year="2007", image_set=split)
    assert len(data) == len(theirs) == COUNTS[split]
    for i, (picture, annotation) in enumerate(theirs):
        objects = annotation["annotation"]["object"]
        assert data.paths[i] == Path(theirs.images[i])
        assert np.array_equal(np.asarray(data.picture(i)), np.asarray(picture))
        assert {data.classes[c] for c in data.labels[i].nonzero()} == {each["name"] for each in objects}
        counted = {each["name"] for each in objects if each["difficult"] == "0"}
        assert {data.classes[c] for c in strict.labels[i].nonzero()} == counted
    # The miniature has what the setting is about.
    assert 0 < strict.labels.sum() < data.labels.sum()


@pytest.mark.parametrize("split", COUNTS)
def test_labels_against_the_lists_of_one_class(devkit: Path, split: str, preprocessing: Preprocessing) -> None:
    """1: present, with and without the difficult; 0: nothing but difficult ones; -1: absent."""
    data = VOC(devkit, split, preprocessing=preprocessing)
    strict = VOC(devkit, split, difficult=False, preprocessing=preprocessing)
    for c, name in enumerate(VOC_CLASSES):
        lines = (devkit / f"ImageSets/Main/{name}_{split}.txt").read_text().split()
        assert tuple(lines[::2]) == data.names
        presence = torch.tensor([int(value) for value in lines[1::2]])
        assert torch.equal(data.labels[:, c] == 1, presence >= 0)
        assert torch.equal(strict.labels[:, c] == 1, presence == 1)


@pytest.mark.parametrize("split", COUNTS)
def test_masks_against_torchvision(devkit: Path, split: str, preprocessing: Preprocessing) -> None:
    data = VOC(devkit, split, task="segmentation", preprocessing=preprocessing)
    theirs = VOCSegmentation(devkit.parents[1], year="2007", image_set=split)
    drawn = {scene.name: class_mask(scene) for scenes in voc_scenes().values() for scene in scenes}
    assert len(data) == len(theirs) > 2
    for i, (picture, mask) in enumerate(theirs):
        found = data.segmentation_map(i).numpy()
        assert np.array_equal(np.asarray(data.picture(i)), np.asarray(picture))
        assert np.array_equal(found, np.asarray(mask))
        assert np.array_equal(found, drawn[data.names[i]])
        assert 255 in found


@pytest.mark.parametrize("cache", [False, True])
def test_images_without_a_mask_among_others(devkit: Path, cache: bool, preprocessing: Preprocessing) -> None:
    main = VOC(devkit, "test", cache=cache, preprocessing=preprocessing)
    masked = VOC(devkit, "test", task="segmentation", preprocessing=preprocessing)
    assert not main.has_segmentation
    assert "segmentation" not in collate([main[i] for i in range(4)])
    chosen = main.with_segmentation()
    assert chosen.has_segmentation
    assert chosen.names == masked.names
    assert chosen.name == "VOC2007/test (4 of 12 with segmentation)"
    for _ in range(2 if cache else 1):
        ours, theirs = (collate([data[i] for i in range(4)]) for data in (chosen, masked))
        for key in ("image", "labels", "segmentation"):
            assert torch.equal(ours[key], theirs[key])
    assert chosen.with_segmentation() is chosen
    # Back among the others, and the other way round.
    assert not main.subset([0, 1]).has_segmentation
    assert main.subset([0, 3]).has_segmentation
    assert torch.equal(main.segmentation_map(3), masked.segmentation_map(1))
    with pytest.raises(InputError, match=f"no segmentation for {main.names[1]};.*with_segmentation"):
        main.segmentation_map(1)
    with pytest.raises(InputError, match=r"with segmentation.* would hold none"):
        main.subset([1, 2]).with_segmentation()
    assert main.fingerprint() != chosen.fingerprint()


def test_a_year_and_options(devkit: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANANS_DATA", str(devkit.parents[1]))

    def opened(spec: str) -> VOC:
        data = open_dataset(spec, "test", preprocessing=preprocessing)
        assert isinstance(data, VOC)
        return data

    plain = VOC(devkit, "test", preprocessing=preprocessing)
    assert opened("voc:2007").fingerprint() == plain.fingerprint()
    strict = VOC(devkit, "test", difficult=False, task="segmentation", preprocessing=preprocessing).fingerprint()
    assert opened("voc:2007?task=segmentation&difficult=false").fingerprint() == strict
    assert opened(f"voc:{devkit}?difficult=no&task=segmentation").fingerprint() == strict
    assert opened("voc:2007?task=none").fingerprint() == plain.fingerprint()
    for spec, said in {
        "voc:2007?difficult=maybe": "difficult='maybe'; give true or false",
        "voc:2007?task": r"'task' has no value; write task=VALUE",
        "voc:2007?seed=1": "'seed' is no option of it",
        "voc:2007?cache=true": "'cache' is no option of it",
        "voc:2007?task=main&task=main": "'task' is given twice",
        "voc:2007?task=Main": "take one of main, segmentation",
        "voc:2012": r"VOC2012 is not there\. Fetch it: explanans data voc --year 2012\. .*set EXPLANANS_DATA",
    }.items():
        with pytest.raises(InputError, match=said):
            opened(spec)


def test_where_data_lie_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from explanans.data.download.published import data_root

    monkeypatch.delenv("EXPLANANS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "explanans/data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == Path.home() / ".cache/explanans/data"
    monkeypatch.setenv("EXPLANANS_DATA", "~/data")
    assert data_root() == Path.home() / "data"


def test_a_path_with_a_question_mark(tmp_path: Path, preprocessing: Preprocessing) -> None:
    devkit = write_voc(tmp_path / "really?")
    assert len(open_dataset(f"voc:{devkit}", "val", preprocessing=preprocessing)) == VOC_COUNTS["val"]
    assert len(open_dataset(f"voc:{tmp_path}/really?", "val", preprocessing=preprocessing)) == VOC_COUNTS["val"]
