from __future__ import annotations

import csv
import json
import math
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.cli.main import main
from explanans.data import open_dataset
from explanans.deploy.annotations.brush_code import decode_brush, encode_brush
from explanans.deploy.annotations.cvat import run_lengths_of
from explanans.deploy.annotations.drawn import Drawn, read_coco, write_drawn
from explanans.deploy.annotations.label_studio import read_label_studio
from explanans.deploy.annotations.tools import write_annotations
from explanans.deploy.annotations.yolo import outer_centres
from explanans.errors import InputError
from explanans.explanations.region_files import KIND, mask_of
from explanans.images.preprocessing import Preprocessing
from explanans.utils.records import read_json

pytest.importorskip("skimage", reason="regions need scikit-image")

WIDTH, HEIGHT = 46, 34


def regions_of(explained: Path) -> list[dict[str, Any]]:
    """The feature collections, in the order of the photos."""
    index = json.loads((explained / "out" / "index.json").read_text())
    return [read_json(explained / "out" / each["folder"] / "regions.json", KIND) for each in index["images"]]


def masks_of(collection: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    return [(each["properties"]["class"], mask_of(each, HEIGHT, WIDTH)) for each in collection["features"]]


def random_masks() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    masks = [random.random((random.integers(1, 20), random.integers(1, 20))) > 0.6 for _ in range(20)]
    large = np.zeros((300, 400), bool)
    large[100:290, 20:390] = True
    return [*masks, large, np.ones((200, 300), bool), np.zeros((5, 5), bool)]


def test_brush_code_by_hand() -> None:
    # 4 values in 32 bits; words of 8; the four sizes, each less one; then a run of the first size, 4 long.
    head = f"{4:032b}" + "00111" + "0010" + "0011" + "0111" + "1111"
    wanted = head + "1" + "00" + "011" + "11111111"
    wanted += "0" * (-len(wanted) % 8)
    assert encode_brush(np.ones((1, 1), bool)) == [int(wanted[k : k + 8], 2) for k in range(0, len(wanted), 8)]
    # Four values one by one, of which the last, alpha, counts.
    plain = head + "0" + "00" + "011" + "00000000" * 3 + "00000001"
    plain += "0" * (-len(plain) % 8)
    assert decode_brush([int(plain[k : k + 8], 2) for k in range(0, len(plain), 8)], 1, 1).all()


def test_brush_code_there_and_back() -> None:
    for mask in random_masks():
        assert (decode_brush(encode_brush(mask), *mask.shape) == mask).all()


def test_brush_code_is_what_label_studio_reads() -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason="needs label-studio-sdk")
    for mask in random_masks():
        read = brush.decode_rle(encode_brush(mask)).reshape(*mask.shape, 4)
        assert (read == 255 * mask[..., None]).all()
        theirs = brush.encode_rle(np.repeat(mask.ravel() * np.uint8(255), 4))
        assert (decode_brush(theirs, *mask.shape) == mask).all()


@pytest.mark.bad_input
@pytest.mark.parametrize("code", [[], [1, 2, 3], [0, 0, 0, 4, 56], "text", [300], encode_brush(np.ones((2, 2), bool))])
def test_wrong_brush_codes(code: Any) -> None:
    with pytest.raises(InputError, match="rle"):
        decode_brush(code, 3, 3)


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


def test_pictures_are_found_by_their_uploaded_names(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    drawn = [Drawn("/data/upload/1/0123abcd-a.png", "x", np.ones((2, 2), bool))]
    where = {"root": tmp_path / "photos", "prefix": "/data/upload/1/"}
    write_drawn(drawn, tmp_path / "out", **where)
    assert "../photos/a.png,x," in (tmp_path / "out" / "table.csv").read_text()
    with pytest.raises(InputError, match="prefix"):
        write_drawn([Drawn("/other/a.png", "x", np.ones((2, 2), bool))], tmp_path / "out2", **where)


def test_overlaps_are_void(tmp_path: Path) -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:3], other[2:] = True, True
    drawn = [Drawn("a.png", "x", one), Drawn("a.png", "y", other), Drawn("b.png", None, None)]
    assert write_drawn(drawn, tmp_path / "out", ["y", "x"]) == ["y", "x"]
    with Image.open(tmp_path / "out" / "masks" / "000000.png") as opened:
        assert np.asarray(opened)[:, 0].tolist() == [2, 2, 255, 1]
    assert (
        tmp_path / "out" / "table.csv"
    ).read_text() == "image,labels,segmentation\na.png,y;x,masks/000000.png\nb.png,,\n"


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


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--format", "voc"], "labelstudio"),
        (["--root", "/nowhere"], "is not in it"),
        (["--classes", "a,b"], "with --back"),
        (["--format", "yolo", "--back"], "read back from labelstudio and coco"),
    ],
)
def test_wrong_commands(
    explained: Path, tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(explained / "out"), "--out", str(tmp_path / "x"), *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.bad_input
def test_wrong_exports(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(InputError, match="no list of tasks"):
        list(read_label_studio(tmp_path / "export.json"))
    with pytest.raises(InputError, match="nothing was drawn"):
        write_drawn([], tmp_path / "out")
    with pytest.raises(InputError, match="'x' was drawn and is not among"):
        write_drawn([Drawn("a", "x", np.ones((2, 2), bool))], tmp_path / "out", ["y"])
    with pytest.raises(InputError, match="several sizes"):
        write_drawn([Drawn("a", "x", np.ones((2, 2), bool)), Drawn("a", "y", np.ones((2, 3), bool))], tmp_path / "out")
    index = {"settings": {"classifier": {}, "options": {}}, "images": []}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="without regions"):
        write_annotations(tmp_path, tmp_path / "out", "coco")
