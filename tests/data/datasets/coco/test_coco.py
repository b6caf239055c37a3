from __future__ import annotations

import contextlib
import copy
import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO as Reference

from explanans.data import COCO, open_dataset
from explanans.data.datasets.coco import COCO_CLASSES
from explanans.data.datasets.coco.categories import CATEGORIES
from explanans.data.loading import loader
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

Edit = Callable[[dict[str, Any]], None]


def reference(root: Path, name: str) -> Reference:
    with contextlib.redirect_stdout(io.StringIO()):
        return Reference(str(root / f"annotations/instances_{name}.json"))


def expected_map(coco: Reference, number: int) -> np.ndarray:
    """The rule of the documentation, object by object, with pycocotools' own rasteriser."""
    entries = sorted(coco.imgToAnns[number], key=lambda entry: entry["id"])
    drawn = [(entry, coco.annToMask(entry) > 0) for entry in entries]
    image = coco.imgs[number]
    painted = np.zeros((image["height"], image["width"]), np.uint8)
    for entry, mask in drawn:
        if entry["iscrowd"]:
            painted[mask] = 255
    for entry, mask in sorted((d for d in drawn if not d[0]["iscrowd"]), key=lambda d: -d[1].sum()):
        painted[mask] = list(CATEGORIES).index(entry["category_id"]) + 1
    return painted


def number_of(name: str) -> int:
    return int(name.rpartition("_")[2])


def test_classes() -> None:
    assert len(COCO_CLASSES) == 80
    assert len(set(COCO_CLASSES)) == 80
    assert COCO_CLASSES[:2] == ("person", "bicycle")
    # 12 is missing among the categories, so 13 is the twelfth class.
    assert COCO_CLASSES[11] == CATEGORIES[13] == "stop sign"
    assert COCO_CLASSES[79] == CATEGORIES[90] == "toothbrush"


@pytest.mark.parametrize(("split", "file"), [("train", "train2014"), ("val", "train2014"), ("test", "val2014")])
def test_labels_and_masks_are_those_of_pycocotools(
    root: Path, preprocessing: Preprocessing, split: str, file: str
) -> None:
    data = open_dataset(f"coco:{root}", split, preprocessing=preprocessing)
    coco = reference(root, file)
    assert data.labels.shape == (len(data), 80)
    assert data.has_segmentation
    for i, name in enumerate(data.names):
        entries = coco.imgToAnns[number_of(name)]
        present = {list(CATEGORIES).index(entry["category_id"]) for entry in entries}
        assert set(data.labels[i].nonzero().ravel().tolist()) == present
        found = data.segmentation_map(i)
        assert found.dtype == torch.uint8
        assert np.array_equal(found.numpy(), expected_map(coco, number_of(name))), name
        assert data[i]["segmentation"].shape == (6, 8)


def test_splits(root: Path, preprocessing: Preprocessing) -> None:
    splits = {name: COCO(root, name, preprocessing=preprocessing) for name in ("train", "val", "test", "test2000")}
    numbers = {name: [number_of(each) for each in data.names] for name, data in splits.items()}
    coco = reference(root, "train2014")
    annotated = {number for number in coco.imgs if coco.imgToAnns[number]}
    assert not set(numbers["train"]) & set(numbers["val"])
    assert set(numbers["train"]) | set(numbers["val"]) == annotated
    assert numbers["train"] == sorted(numbers["train"])
    assert len(numbers["test"]) == 15
    test = reference(root, "val2014")
    annotated = {number for number in test.imgs if test.imgToAnns[number]}
    assert set(numbers["test2000"]) == annotated, "fewer than 2,000: all"
    assert numbers["test2000"] != sorted(annotated)
    assert list(COCO(root, "test2000[:3]", preprocessing=preprocessing).names) == list(splits["test2000"].names[:3])
    assert len(COCO(root, "train[:50%]", preprocessing=preprocessing)) == round(len(splits["train"]) / 2)
    for wrong in ("test2014", "train[90%"):
        with pytest.raises(InputError, match="split="):
            COCO(root, wrong, preprocessing=preprocessing)


def test_images_without_annotations(root: Path, preprocessing: Preprocessing) -> None:
    left_out = COCO(root, "train", preprocessing=preprocessing)
    kept = COCO(root, "train", unlabelled=True, preprocessing=preprocessing)
    assert left_out.labels.sum(1).min() > 0
    empty = (kept.labels.sum(1) == 0).nonzero().ravel().tolist()
    assert len(kept) == len(left_out) + len(empty)
    assert empty
    assert kept.segmentation_map(empty[0]).max() == 0
    test = COCO(root, "test", preprocessing=preprocessing)
    assert (test.labels.sum(1) == 0).sum() == 2
    assert len(COCO(root, "test", unlabelled=False, preprocessing=preprocessing)) == len(test) - 2


def test_a_mask_of_the_whole_picture(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "test", preprocessing=preprocessing)
    whole = data.names.index("COCO_val2014_000000000549")
    assert (data.segmentation_map(whole) == 80).all()
    assert (data[whole]["segmentation"] == 80).all()


def test_crowds_are_void_and_never_an_object(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "test", preprocessing=preprocessing)
    crowd = data.names.index("COCO_val2014_000000000535")
    assert data.segmentation_map(crowd).unique().tolist() == [0, 255]
    assert data.labels[crowd].sum() == 1
    without = COCO(root, "test", crowd=False, preprocessing=preprocessing)
    assert without.labels[crowd].sum() == 0
    name = COCO_CLASSES[int(data.labels[crowd].argmax())]
    other = next(each for each in COCO_CLASSES if each != name)
    renamed = COCO(root, "test", classes=[other], preprocessing=preprocessing)
    assert renamed.segmentation_map(crowd).unique().tolist() == [0, 255], "void whatever its class"


def test_classes_rename_pixels_and_move_none(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "train", preprocessing=preprocessing)
    wanted = [COCO_CLASSES[c] for c in data.labels.sum(0).argsort(descending=True)[:3].tolist()]
    few = COCO(root, "train", classes=wanted, preprocessing=preprocessing)
    assert few.names == data.names
    assert torch.equal(few.labels, data.labels[:, [COCO_CLASSES.index(name) for name in wanted]])
    for i in range(len(data)):
        full = data.segmentation_map(i)
        renamed = torch.where(full == 255, full, torch.zeros_like(full))
        for c, name in enumerate(wanted):
            renamed[full == COCO_CLASSES.index(name) + 1] = c + 1
        assert torch.equal(few.segmentation_map(i), renamed)
    with pytest.raises(InputError, match="'aeroplane' is unknown"):
        COCO(root, "train", classes=["aeroplane"], preprocessing=preprocessing)


def test_subsets_keep_image_and_mask_together(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "train", preprocessing=preprocessing)
    few = data.subset([5, 2]).select("[1:]")
    assert few.names == (data.names[2],)
    assert torch.equal(few.segmentation_map(0), data.segmentation_map(2))


def test_options_and_no_segmentation(root: Path, preprocessing: Preprocessing) -> None:
    data = open_dataset(
        f"coco:{root}?unlabelled=true&crowd=false", "train", preprocessing=preprocessing, segmentation=False
    )
    assert len(data) > len(COCO(root, "train", preprocessing=preprocessing))
    assert "segmentation" not in data[0]
    assert not data.select("[:50%]").has_segmentation
    assert data.segmentation_map(0).shape == data.picture(0).size[::-1]


def test_workers_map_the_index(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "train", preprocessing=preprocessing)
    for one, other in zip(loader(data, 8), loader(data, 8, workers=1), strict=True):
        assert torch.equal(one["segmentation"], other["segmentation"])
    sent = pickle.dumps(data._index)
    assert len(sent) < 1000, "a path, no annotations"
    again = pickle.loads(sent)
    assert np.array_equal(again.ids, data._index.ids)


def test_coordinates_of_more_decimals_stay_exact(edited: Callable[[Edit], Path], preprocessing: Preprocessing) -> None:
    def shift(content: dict[str, Any]) -> None:
        for entry in content["annotations"]:
            if isinstance(entry["segmentation"], list):
                entry["segmentation"] = [[x + 0.0995 for x in polygon] for polygon in entry["segmentation"]]

    root = edited(shift)
    data, coco = COCO(root, "train", preprocessing=preprocessing), reference(root, "train2014")
    assert data._index._arrays["points"].dtype == np.float64
    for i, name in enumerate(data.names):
        assert np.array_equal(data.segmentation_map(i).numpy(), expected_map(coco, number_of(name)))


def test_pictures_turned_by_exif(edited: Callable[[Edit], Path], preprocessing: Preprocessing) -> None:
    """Outlines are drawn on the pixels as they are stored; a picture that is read turned gets a turned map."""
    root = edited()
    data = COCO(root, "train", preprocessing=preprocessing)
    before = data.segmentation_map(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter
    with Image.open(data.paths[0]) as picture:
        picture.load()
    picture.save(data.paths[0], exif=exif)
    assert data.picture(0).size == (picture.height, picture.width)
    assert torch.equal(data.segmentation_map(0), torch.rot90(before, -1))


def test_a_polygon_of_two_points_encloses_nothing(edited: Callable[[Edit], Path], preprocessing: Preprocessing) -> None:
    def edit(content: dict[str, Any]) -> None:
        for entry in content["annotations"]:
            entry["segmentation"] = [[1, 1, 5, 5]]

    data = COCO(edited(edit), "train", preprocessing=preprocessing)
    assert data.segmentation_map(0).max() == 0
    assert data.labels[0].sum() > 0


def test_a_damaged_code_names_image_and_file(edited: Callable[[Edit], Path], preprocessing: Preprocessing) -> None:
    counts = masks.encode(np.asfortranarray(np.ones((500, 500), np.uint8)))["counts"].decode()

    def edit(content: dict[str, Any]) -> None:
        for entry in content["annotations"]:
            size = next([i["height"], i["width"]] for i in content["images"] if i["id"] == entry["image_id"])
            entry["segmentation"] = {"size": size, "counts": counts}

    data = COCO(edited(edit), "train", preprocessing=preprocessing)
    with pytest.raises(ImageError, match=r"instances_train2014\.json: a mask of image \d+ cannot be read"):
        data.segmentation_map(0)


def test_what_is_missing_is_named(edited: Callable[[Edit], Path], preprocessing: Preprocessing) -> None:
    with pytest.raises(InputError, match="does not exist; give the folder that holds annotations"):
        COCO("/no/such/folder", "train", preprocessing=preprocessing)
    root = edited()
    data = COCO(root, "train", preprocessing=preprocessing)
    data.paths[3].unlink()
    with pytest.raises(ImageError, match=r"no such picture, nor 0 more .* unpack all of train2014\.zip"):
        COCO(root, "train", preprocessing=preprocessing)
    with Image.open(data.paths[4]) as picture:
        smaller = picture.resize((9, 9))
    smaller.save(data.paths[4])
    with pytest.raises(ImageError, match="has 9 x 9 pixels"):
        data.segmentation_map(4)
    (root / "images").mkdir()
    shutil.move(root / "val2014", root / "images/val2014")
    assert len(COCO(root, "test", preprocessing=preprocessing)) == 15
    shutil.rmtree(root / "train2014")
    with pytest.raises(InputError, match=r"neither train2014 nor images/train2014; unpack train2014\.zip there"):
        COCO(root, "train", preprocessing=preprocessing)
    (root / "annotations/instances_train2014.json").unlink()
    with pytest.raises(InputError, match=r"it is in COCO's annotations_trainval2014\.zip"):
        COCO(root, "train", preprocessing=preprocessing)


def test_a_path_alone_is_recognised(root: Path, preprocessing: Preprocessing) -> None:
    assert isinstance(open_dataset(root, "test[:2]", preprocessing=preprocessing), COCO)


def test_a_copy_is_a_data_set(root: Path, preprocessing: Preprocessing) -> None:
    data = COCO(root, "test", preprocessing=preprocessing)
    assert torch.equal(copy.deepcopy(data).segmentation_map(1), data.segmentation_map(1))
