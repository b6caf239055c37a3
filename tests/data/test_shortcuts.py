from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.data import LabelledImages, open_dataset
from explanans.data.index_maps import index_lookup
from explanans.data.scenes import CLASSES, write_scenes
from explanans.data.shortcuts import SHORTCUTS, Plant, write_planted
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

NAMES = list(CLASSES)
PREPROCESSING = Preprocessing(48, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", train=24, val=0, test=0, size=48, quiet=True)


@pytest.mark.parametrize("name", SHORTCUTS)
def test_only_the_region_changes(name: str) -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (40, 60, 3), np.uint8)
    objects = np.zeros((40, 60), np.bool_)
    objects[5:25, 5:35] = True
    planted = SHORTCUTS[name](picture, objects, random)
    changed = (planted.picture != picture).any(2)
    assert changed[planted.region].mean() > 0.9
    assert not changed[~planted.region].any()
    if name != "border":
        assert not (planted.region & objects).any()


def test_a_share_of_one_class_gets_it(scenes: Path, tmp_path: Path) -> None:
    data = open_dataset(f"scenes:{scenes}", "train", preprocessing=PREPROCESSING)
    name = NAMES[int(data.labels.sum(0).argmax())]
    table = write_planted(data, tmp_path / "tag", [Plant("tag", name, 0.5)], seed=1)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    having = [row for row in rows if row["planted"]]
    of_class = int(data.labels[:, NAMES.index(name)].sum())
    assert len(having) == round(0.5 * of_class)
    assert all(name in row["labels"].split(";") for row in having)
    number = int(having[0]["image"][:7])
    region = np.asarray(Image.open(table.parent / having[0]["planted"])) > 0
    before, after = np.asarray(data.picture(number)), np.asarray(Image.open(table.parent / having[0]["image"]))
    assert (before[~region] == after[~region]).all()
    again = open_dataset(
        f"table:{table}?mask_classes={';'.join(NAMES)}", "all", classes=NAMES, preprocessing=PREPROCESSING
    )
    assert (again.labels == data.labels).all()
    assert (again.segmentation_map(number) == data.segmentation_map(number)).all()


def test_none_is_planted(scenes: Path, tmp_path: Path) -> None:
    data = open_dataset(f"scenes:{scenes}", "train[:3]", preprocessing=PREPROCESSING)
    table = write_planted(data, tmp_path / "clean", [])
    assert (np.asarray(Image.open(table.parent / "0000000.png")) == np.asarray(data.picture(0))).all()
    assert not list(table.parent.glob("*-planted.png"))


def test_two_classes_have_each_its_own(scenes: Path, tmp_path: Path) -> None:
    data = open_dataset(f"scenes:{scenes}", "train", preprocessing=PREPROCESSING)
    first, second = (NAMES[column] for column in data.labels.sum(0).argsort(descending=True)[:2].tolist())
    table = write_planted(data, tmp_path / "two", [Plant("border", first), Plant("tag", second)])
    with table.open() as file:
        for row in csv.DictReader(file):
            labels = row["labels"].split(";")
            values = np.unique(Image.open(table.parent / row["planted"])).tolist() if row["planted"] else [0]
            assert values == [0, *sorted(NAMES.index(name) + 1 for name in (first, second) if name in labels)]


@pytest.mark.bad_input
def test_what_is_refused(scenes: Path, tmp_path: Path) -> None:
    data = open_dataset(f"scenes:{scenes}", "train[:3]", preprocessing=PREPROCESSING)
    with pytest.raises(InputError, match="take one of tag, border"):
        write_planted(data, tmp_path / "x", [Plant("glue", NAMES[0])])
    with pytest.raises(InputError, match="a class of striped star"):
        write_planted(data, tmp_path / "x", [Plant("tag", "dog")])
    with pytest.raises(InputError, match="share=2"):
        write_planted(data, tmp_path / "x", [Plant("tag", NAMES[0], 2)])


@pytest.mark.filterwarnings("ignore:.*no row has the class")
def test_of_many_classes_maps_have_16_bits(tmp_path: Path) -> None:
    names = [f"c{number:03d}" for number in range(300)]
    Image.new("RGB", (48, 48)).save(tmp_path / "a.png")
    values = np.zeros((48, 48), np.uint16)
    values[10:20, 10:20], values[:5], values[40:] = 300, 65535, 255
    Image.fromarray(values).save(tmp_path / "map.png")
    data = LabelledImages(
        name="many",
        classes=names,
        paths=[tmp_path / "a.png"],
        names=["a"],
        labels=torch.eye(300)[[299]] + torch.eye(300)[[254]],
        segmentations=[tmp_path / "map.png"],
        lookup=index_lookup(range(1, 301), 300),
        preprocessing=PREPROCESSING,
    )
    table = write_planted(data, tmp_path / "out", [Plant("border", "c299")])
    assert np.unique(Image.open(tmp_path / "out" / "0000000-planted.png")).tolist() == [0, 300]
    again = open_dataset(
        f"table:{table}?mask_classes={';'.join(names)}", "all", classes=names, preprocessing=PREPROCESSING
    )
    assert (again.segmentation_map(0).numpy() == values).all()
