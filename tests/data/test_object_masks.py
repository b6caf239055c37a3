from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.data import open_dataset
from explanans.data.datasets.table import ImageTable
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of 6 x 8 pixels; masks of an object in the left two columns, 1 or 255, void in the right one."""
    for number in range(4):
        Image.new("RGB", (8, 6)).save(tmp_path / f"{number}.jpg")
        for value in (1, 255):
            mask = np.zeros((6, 8), np.uint8)
            mask[:, :2], mask[:, 7:] = value, 255
            Image.fromarray(mask).save(tmp_path / f"{number}-{value}.png")
    return tmp_path


def table(folder: Path, header: str, *lines: str) -> Path:
    (folder / "table.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder / "table.csv"


def columns(map_: object) -> list[int]:
    return [int(value) for value in map_[0]]  # type: ignore[index]


@pytest.mark.parametrize(("value", "void"), [(1, 255), (255, None)])
def test_the_object_is_the_pictures_own_label(
    folder: Path, preprocessing: Preprocessing, value: int, void: int | None
) -> None:
    lines = [f"{i}.jpg,{label},{i}-{value}.png" for i, label in enumerate(["cat", "dog", "", "cat"])]
    path = table(folder, "image,labels,segmentation", *lines)
    data = open_dataset(f"table:{path}?object_value={value}", "all", preprocessing=preprocessing)
    for number, own in enumerate([1, 2, 0, 1]):
        last = own if void is None else void
        assert columns(data.segmentation_map(number)) == [own, own, 0, 0, 0, 0, 0, last]
    # Of a part of the list, and where a class was taken away.
    assert columns(data.select("[1:]").segmentation_map(0))[0] == 2
    assert columns(data.with_background(["cat"]).segmentation_map(0))[:2] == [0, 0]
    assert data[1]["segmentation"].unique().tolist() == sorted({0, 2, 2 if void is None else void})


def test_classes_that_were_not_chosen_are_background(folder: Path, preprocessing: Preprocessing) -> None:
    path = table(folder, "image,dog,cat,width,segmentation", "0.jpg,1,0,8,0-1.png", "1.jpg,0,1,8,1-1.png")
    data = ImageTable(path, classes=["cat"], object_value=1, preprocessing=preprocessing)
    assert [columns(data.segmentation_map(number))[0] for number in range(2)] == [0, 1]


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("image,labels,segmentation", ["0.jpg,cat,0-1.png", "1.jpg,cat;dog,1-1.png"]),
        ("image,dog,cat,segmentation", ["0.jpg,0,1,0-1.png", "1.jpg,1,1,1-1.png"]),
    ],
)
@pytest.mark.parametrize("classes", [None, ["cat"]])
def test_several_labels_are_refused_where_there_is_a_mask(
    folder: Path, preprocessing: Preprocessing, header: str, lines: list[str], classes: list[str] | None
) -> None:
    path = table(folder, header, *lines)
    with pytest.raises(InputError, match=r"row 2: object_value is for pictures with one label.* and .*1-1\.png"):
        ImageTable(path, classes=classes, other_labels="drop", object_value=1, preprocessing=preprocessing)
    path = table(folder, header, lines[0], lines[1].replace("1-1.png", ""))
    data = ImageTable(path, classes=classes, other_labels="drop", object_value=1, preprocessing=preprocessing)
    assert len(data) == 2


def test_masks_without_the_object_and_bad_values_are_refused(folder: Path, preprocessing: Preprocessing) -> None:
    path = table(folder, "image,labels,segmentation", "0.jpg,cat,0-255.png", "1.jpg,dog,1-255.png")
    with pytest.raises(InputError, match=r"object_value=1, and the 2 masks .* have the values 0, 255; say which"):
        ImageTable(path, object_value=1, preprocessing=preprocessing)
    with pytest.raises(InputError, match="object_value=0; give the value of the object"):
        ImageTable(path, object_value=0, preprocessing=preprocessing)
    with pytest.raises(InputError, match=r"object_value=65536; .* 1 to 255, or to 65535 where masks have 16 bits"):
        ImageTable(path, object_value=65_536, preprocessing=preprocessing)
    with pytest.raises(InputError, match="exclude each other"):
        ImageTable(path, object_value=1, mask_classes="cat;dog", preprocessing=preprocessing)
    Image.new("L", (8, 6), 7).save(folder / "1-255.png")
    data = ImageTable(path, object_value=255, preprocessing=preprocessing)
    with pytest.raises(ImageError, match=r"the value 7; 0 is background, 255 is the object\. Paint these pixels"):
        data.segmentation_map(1)


@pytest.mark.filterwarnings("ignore:.*no row has the classes")
@pytest.mark.parametrize(("value", "last"), [(255, 65535), (300, 65535), (65535, 2)])
def test_objects_in_16_bits(folder: Path, preprocessing: Preprocessing, value: int, last: int) -> None:
    for number in range(2):
        mask = np.zeros((6, 8), np.uint16)
        mask[:, :2], mask[:, 7:] = value, 65535
        Image.fromarray(mask).save(folder / f"{number}.png")
    path = table(folder, "image,labels,segmentation", "0.jpg,dog,0.png", "1.jpg,cat,1.png")
    data = open_dataset(f"table:{path}?object_value={value}", "all", preprocessing=preprocessing)
    assert columns(data.segmentation_map(0)) == [2, 2, 0, 0, 0, 0, 0, min(last, 255)]
    # Of many classes the dog may be any.
    names = [f"c{number}" for number in range(299)] + ["dog"]
    many = ImageTable(path, classes=names, other_labels="drop", object_value=value, preprocessing=preprocessing)
    assert columns(many.segmentation_map(0))[:3] == [300, 300, 0]
    assert columns(many.segmentation_map(0))[7] == (300 if last == 2 else last)
    assert columns(many.segmentation_map(1))[:3] == [0, 0, 0]
