from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.cli.main import main
from explanans.data import open_dataset
from explanans.deploy.annotations.drawn import TABLE, Drawn, read_coco, write_drawn
from explanans.deploy.annotations.tools import write_annotations
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.metrics import class_regions

from .conftest import HEIGHT, WIDTH
from .explained_masks import masks_of, regions_of

THOUSAND = [f"c{number}" for number in range(1000)]


def test_a_round_trip_is_data(explained: Path, tmp_path: Path) -> None:
    out = write_annotations(explained / "out", tmp_path / "coco", "coco", prefix="disk:")
    words = ["annotate", str(out / "annotations.json"), "--back", "--format", "coco", "--out", str(tmp_path / "back")]
    assert main([*words, "--root", str(explained / "photos"), "--prefix", "disk:"]) == 0
    table = tmp_path / "back" / "table.csv"
    preprocessing = Preprocessing(size=(HEIGHT, WIDTH), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    # In the table's name an ampersand begins the next option.
    named = f"table:{table}?mask_classes=crack;rust %26 <moss>"
    dataset = open_dataset(named, "all", preprocessing=preprocessing)
    assert "segmentation" in dataset[0]
    assert dataset.classes == ("crack", "rust & <moss>")
    for number, collection in enumerate(regions_of(explained)):
        path = tmp_path / "back" / "masks" / f"{number:06d}.png"
        with Image.open(path) as opened:
            values = np.asarray(opened)
        for value, name in enumerate(dataset.classes, 1):
            assert (
                (values == value) == np.any([mask for own, mask in masks_of(collection) if own == name], axis=0)
            ).all()
    with (tmp_path / "back" / "boxes.csv").open() as file:
        boxes = list(csv.DictReader(file))
    assert [boxes[0][side] for side in ("class", "left", "top", "right", "bottom")] == ["crack", "4", "3", "18", "16"]


def test_polygons_of_coco_are_read(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10}],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "segmentation": [[2, 1, 8, 1, 8, 6, 2, 6]]},
            {"image_id": 7, "category_id": 3, "segmentation": {"size": [10, 20], "counts": [50, 10, 140]}},
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    nothing, polygon, column = read_coco(tmp_path / "coco.json")
    assert nothing.name is None
    assert polygon.mask is not None
    assert column.mask is not None
    assert polygon.mask.sum() == 30
    assert column.mask[:, 5].all()


def coco_file(path: Path, annotation: dict[str, Any], **image: Any) -> Path:
    images = [{"id": 7, "file_name": "a.png", "width": 20, "height": 10, **image}]
    content = {"images": images, "categories": [{"id": 3, "name": "crack"}]}
    path.write_text(json.dumps({**content, "annotations": [{"image_id": 7, "category_id": 3, **annotation}]}))
    return path


@pytest.mark.parametrize("shape", [{}, {"segmentation": []}, {"segmentation": [[]]}, {"segmentation": None}])
def test_boxes_of_coco_are_read(tmp_path: Path, shape: dict[str, Any]) -> None:
    _, box = read_coco(coco_file(tmp_path / "coco.json", {"bbox": [2, 1, 6, 5], **shape}))
    wanted = np.zeros((10, 20), bool)
    wanted[1:6, 2:8] = True
    assert box.mask is not None
    assert (box.mask == wanted).all()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("annotation", "image", "says"),
    [
        ({}, {}, r"annotations\[0\] has neither segmentation nor bbox"),
        ({"image_id": 8, "bbox": [1, 1, 2, 2]}, {}, "no image has the id 8"),
        ({"category_id": 4, "bbox": [1, 1, 2, 2]}, {}, "no category has the id 4"),
        ({"bbox": [1, 1, 2, 2]}, {"height": None}, "'a.png' has no height"),
        ({"segmentation": {"size": [10, 20]}}, {}, "counts"),
    ],
)
def test_wrong_coco(tmp_path: Path, annotation: dict[str, Any], image: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(read_coco(coco_file(tmp_path / "coco.json", annotation, **image)))


def photos_in(folder: Path) -> Path:
    for name in ("a.png", "b.png"):
        (folder / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(folder / "photos" / name)
    return folder / "photos"


def test_pictures_are_found_by_their_uploaded_names(tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    drawn = [Drawn("/data/upload/1/0123abcd-a.png", "x", np.ones((2, 2), bool))]
    where: dict[str, Any] = {"root": photos, "prefix": "/data/upload/1/"}
    write_drawn(drawn, tmp_path / "out", **where)
    assert "../photos/a.png,x," in (tmp_path / "out" / "table.csv").read_text()
    with pytest.raises(InputError, match="prefix"):
        write_drawn([Drawn("/other/a.png", "x", np.ones((2, 2), bool))], tmp_path / "out2", **where)


def read_from(table: Path) -> list[tuple[str, list[int]]]:
    """Name and first row of the segmentation of every picture of a table with the classes x and y."""
    preprocessing = Preprocessing(size=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    dataset = open_dataset(f"table:{table}?mask_classes=x;y", "all", preprocessing=preprocessing)
    rows = [dataset[number] for number in range(len(dataset))]
    return [(name, row["segmentation"][0].tolist()) for name, row in zip(dataset.names, rows, strict=True)]


@pytest.mark.parametrize("linked", [False, True])
def test_a_table_is_read_from_any_folder(linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, elsewhere = tmp_path / "work", tmp_path / "disk" / "deep" / "down"
    elsewhere.mkdir(parents=True)
    work.mkdir()
    if linked:
        # Both are links, so that ".." behind either leads to another place.
        (elsewhere / "made").mkdir()
        (work / "made").symlink_to(elsewhere / "made")
        kept = photos_in(elsewhere)
        (work / "photos").symlink_to(kept)
    else:
        photos_in(work)
    monkeypatch.chdir(work)
    half = np.arange(16).reshape(4, 4) % 4 < 2
    drawn = [Drawn("a.png", "x", half), Drawn("a.png", "y", ~half), Drawn("b.png", "y", half)]
    write_drawn(drawn, "made/back", ["x", "y"], root="photos")
    wanted = [[1, 1, 2, 2], [2, 2, 0, 0]]
    assert [row for _, row in read_from(Path("made/back/table.csv"))] == wanted
    monkeypatch.chdir(tmp_path)
    assert [row for _, row in read_from(work / "made" / "back" / "table.csv")] == wanted
    with (work / "made" / "back" / "boxes.csv").open() as file:
        boxes = [each["image"] for each in csv.DictReader(file)]
    assert set(boxes) == {name for name, _ in read_from(work / "made" / "back" / "table.csv")}
    if not linked:
        work.rename(tmp_path / "moved")
        assert [row for _, row in read_from(tmp_path / "moved" / "made" / "back" / "table.csv")] == wanted


def test_a_picture_that_is_a_link_keeps_its_name(tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    (photos / "c.png").symlink_to(photos / "a.png")
    write_drawn([Drawn("c.png", "x", np.ones((4, 4), bool))], tmp_path / "out", root=photos)
    assert "../photos/c.png" in (tmp_path / "out" / TABLE).read_text()


def test_overlaps_are_void(tmp_path: Path) -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:3], other[2:] = True, True
    drawn = [Drawn("a.png", "x", one), Drawn("a.png", "y", other), Drawn("b.png", None, None)]
    assert write_drawn(drawn, tmp_path / "out", ["y", "x"], root=photos_in(tmp_path)) == ["y", "x"]
    with Image.open(tmp_path / "out" / "masks" / "000000.png") as opened:
        assert np.asarray(opened)[:, 0].tolist() == [2, 2, 255, 1]
    assert (tmp_path / "out" / TABLE).read_text().splitlines() == [
        "image,labels,segmentation",
        "../photos/a.png,y;x,masks/000000.png",
        "../photos/b.png,,",
    ]


def squares(names: list[str]) -> list[Drawn]:
    """A picture of one row with a pixel of each class."""
    return [Drawn("a.png", name, np.arange(len(names))[None] == place) for place, name in enumerate(names)]


def test_of_a_thousand_classes_those_that_were_drawn_have_values(tmp_path: Path) -> None:
    names = write_drawn(squares(["c999", "c300", "c7"]), tmp_path / "out", THOUSAND, root=photos_in(tmp_path))
    assert names == ["c7", "c300", "c999"]
    assert np.asarray(Image.open(tmp_path / "out" / "masks" / "000000.png")).tolist() == [[3, 2, 1]]
    assert "a.png" in (tmp_path / "out" / TABLE).read_text(encoding="utf-8")


def test_a_list_that_has_values_for_all_keeps_them(tmp_path: Path) -> None:
    known = THOUSAND[:254]
    assert write_drawn(squares(["c253"]), tmp_path / "out", known, root=photos_in(tmp_path)) == known
    assert np.asarray(Image.open(tmp_path / "out" / "masks" / "000000.png")).tolist() == [[254]]


def test_more_drawn_classes_than_8_bits_name_have_16(tmp_path: Path) -> None:
    photos, masks = photos_in(tmp_path), tmp_path / "out" / "masks"
    overlap = np.arange(255)[None] == 254
    drawn = [*squares(THOUSAND[:255]), Drawn("a.png", "c0", overlap)]
    assert write_drawn(drawn, tmp_path / "out", THOUSAND, root=photos) == THOUSAND[:255]
    with Image.open(masks / "000000.png") as opened:
        assert opened.mode == "I;16"
        assert np.asarray(opened).tolist() == [[*range(1, 255), 65535]]
    # One fewer, and 255 is void.
    write_drawn([*squares(THOUSAND[:254]), Drawn("a.png", "c0", overlap[:, 1:])], tmp_path / "few", root=photos)
    with Image.open(tmp_path / "few" / "masks" / "000000.png") as opened:
        assert opened.mode == "L"
        assert np.asarray(opened)[0, -1] == 255


def test_corrections_of_a_thousand_classes_come_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every class is a square of 2 x 2 pixels of the first picture; in the second the numbers 255 and 300 overlap."""
    Image.new("RGB", (80, 50)).save(tmp_path / "a.png")
    Image.new("RGB", (80, 50)).save(tmp_path / "b.png")
    boxes = [(1, c, [2 * (c % 40), 2 * (c // 40), 2, 2]) for c in range(1000)]
    boxes += [(2, 254, [0, 0, 40, 50]), (2, 299, [30, 0, 50, 50])]
    size = {"width": 80, "height": 50}
    content = {
        "images": [{"id": 1, "file_name": "a.png", **size}, {"id": 2, "file_name": "b.png", **size}],
        "categories": [{"id": c, "name": name} for c, name in enumerate(THOUSAND)],
        "annotations": [{"image_id": image, "category_id": c, "bbox": box} for image, c, box in boxes],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (tmp_path / "classes.txt").write_text("\n".join(THOUSAND))
    words = ["annotate", str(tmp_path / "coco.json"), "--back", "--format", "coco", "--root", str(tmp_path)]
    assert main([*words, "--classes", str(tmp_path / "classes.txt"), "--out", str(tmp_path / "back")]) == 0
    said = "".join(capsys.readouterr().out.split())
    named = said[said.index("asdata:") + len("asdata:") :]
    preprocessing = Preprocessing(size=(50, 80), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    # In another order, as a classifier may have them.
    dataset = open_dataset(f"table:{named}", "all", classes=THOUSAND[::-1], preprocessing=preprocessing)
    every, both = (dataset[number]["segmentation"] for number in range(2))
    expected = (1000 - np.arange(1000)).reshape(25, 40).repeat(2, 0).repeat(2, 1)
    assert every.tolist() == expected.tolist() == dataset.segmentation_map(0).tolist()
    assert (both[:, :30] == 1000 - 254).all()
    assert (both[:, 30:40] == 65535).all()
    assert (both[:, 40:] == 1000 - 299).all()
    regions, valid = class_regions(both[None], dataset.labels[1:])
    assert regions.sum((1, 2)).tolist() == [40 * 50, 30 * 50]
    assert valid[0].sum() == 70 * 50


@pytest.mark.bad_input
def test_a_class_that_is_not_in_a_long_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'other' was drawn and is not among c0, .* and 980 more\.$"):
        write_drawn(squares(["other"]), tmp_path / "out", THOUSAND, root=photos_in(tmp_path))
