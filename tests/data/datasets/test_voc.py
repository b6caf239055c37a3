from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import VOCSegmentation

from explanans.data.datasets.voc import VOC, VOC_CLASSES
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

MakeVoc = Callable[..., Path]
CAT, DOG, PERSON, VOID = 8, 12, 15, 255


def annotate(root: Path, name: str, *objects: tuple[str, int]) -> None:
    body = "".join(
        f"<object><name>{kind}</name><difficult>{difficult}</difficult><part><name>head</name></part></object>"
        for kind, difficult in objects
    )
    (root / f"Annotations/{name}.xml").write_text(f"<annotation>{body}</annotation>")


def test_against_torchvision(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, VOID), b=(DOG, 0, PERSON), c=(0, 0, VOID))
    data = VOC(root, "train", preprocessing=preprocessing)
    theirs = VOCSegmentation(root.parents[1], year="2012", image_set="train")
    assert data.classes == VOC_CLASSES
    assert len(data) == len(theirs)
    for i, (picture, mask) in enumerate(theirs):
        values = np.asarray(mask)
        assert np.array_equal(np.asarray(data.picture(i)), np.asarray(picture))
        assert np.array_equal(data.segmentation_map(i).numpy(), values)
        assert {c + 1 for c in np.flatnonzero(data.labels[i])} == set(np.unique(values).tolist()) - {0, VOID}


def test_chosen_classes_and_the_rest_is_background(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(DOG, CAT, VOID), b=(PERSON, 0, 0))
    data = VOC(root, "train", classes=["dog", "cat"], preprocessing=preprocessing)
    assert data.labels.tolist() == [[1, 1], [0, 0]]
    assert data[0]["segmentation"][0].tolist() == [1, 1, 2, 2, 2, 2, VOID, VOID]
    assert data[1]["segmentation"].max() == 0


def test_labels_come_from_annotations_where_there_are_any(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, 0), b=(0, CAT, 0))
    annotate(root, "a", ("dog", 0), ("person", 1), ("dog", 0))
    options = {"classes": ["cat", "dog", "person"], "preprocessing": preprocessing}
    assert VOC(root, "train", **options).labels.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert VOC(root, "train", difficult=False, **options).labels.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_parts_are_taken_in_list_order(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(b=(0, CAT, 0), a=(0, DOG, 0), c=(0, 0, 0))
    assert VOC(root, "train", preprocessing=preprocessing).names == ("b", "a", "c")
    part = VOC(root, "train[:67%]", preprocessing=preprocessing)
    assert (part.names, part.name) == (("b", "a"), "VOC2012/train[:67%]")
    with pytest.raises(InputError, match=r"lists 3 images and \[5:\] selects none"):
        VOC(root, "train[5:]", preprocessing=preprocessing)


def test_tasks(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, 0))
    Image.new("RGB", (8, 6)).save(root / "JPEGImages/boxes.jpg")
    annotate(root, "boxes", ("dog", 0))
    for name in ("train", "trainval", "cat_train"):
        (root / f"ImageSets/Main/{name}.txt").write_text("a 1\nboxes -1\n")
    assert VOC(root, "train", task="segmentation", preprocessing=preprocessing).has_segmentation
    for split, task in (("train", "main"), ("train", None), ("trainval", None)):
        data = VOC(root, split, task=task, preprocessing=preprocessing)
        assert data.names == ("a", "boxes")
        assert not data.has_segmentation
        assert data.labels.sum(0)[[CAT - 1, DOG - 1]].tolist() == [1, 1]
    with pytest.raises(InputError, match=r"it has Main/train, Main/trainval, Segmentation/train\."):
        VOC(root, "test", preprocessing=preprocessing)
    with pytest.raises(InputError, match="main, segmentation"):
        VOC(root, "train", task="Main", preprocessing=preprocessing)


def test_own_class_names(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc("scenes", a=(1, 2, VOID))
    (root / "classes.txt").write_text("disc\nstar\n")
    (root / "JPEGImages/a.jpg").unlink()
    Image.new("RGB", (8, 6)).save(root / "JPEGImages/a.png")
    data = VOC(root, "train", classes=["star"], preprocessing=preprocessing)
    assert data[0]["segmentation"][0].tolist() == [0, 0, 1, 1, 1, 1, VOID, VOID]
    assert VOC(root, "train", preprocessing=preprocessing).classes == ("disc", "star")
    for text in ("", "disc\n\nstar\n", "disc\ndisc\n"):
        (root / "classes.txt").write_text(text)
        with pytest.raises(InputError, match=r"classes\.txt must hold"):
            VOC(root, "train", preprocessing=preprocessing)


def test_where_the_devkit_is(tmp_path: Path, make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, 0))
    for path in (root, root.parent, tmp_path, str(tmp_path)):
        assert len(VOC(path, "train", preprocessing=preprocessing)) == 1
    make_voc("VOCdevkit/VOC2007", a=(0, CAT, 0))
    with pytest.raises(InputError, match=r"several: .*VOC2007, .*VOC2012"):
        VOC(root.parent, "train", preprocessing=preprocessing)
    with pytest.raises(InputError, match="JPEGImages and found none"):
        VOC(root / "Annotations", "train", preprocessing=preprocessing)
    with pytest.raises(InputError, match="does not exist"):
        VOC(tmp_path / "nowhere", "train", preprocessing=preprocessing)


def test_missing_files_are_named_at_construction(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, 0), b=(0, CAT, 0))
    annotate(root, "b", ("cat", 0))
    mask, picture = root / "SegmentationClass/b.png", root / "JPEGImages/b.jpg"
    kept = mask.read_bytes()
    mask.unlink()
    with pytest.raises(ImageError, match="no such mask") as caught:
        VOC(root, "train", preprocessing=preprocessing)
    assert caught.value.path == mask
    mask.write_bytes(kept)
    picture.unlink()
    with pytest.raises(ImageError, match=r"no such picture.*train\.txt") as caught:
        VOC(root, "train", preprocessing=preprocessing)
    assert caught.value.path == picture


def test_wrong_masks_and_annotations_are_named(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, 77, 0))
    with pytest.raises(ImageError, match=r"a\.png: .*value 77; 0 is background, 1 to 20 are classes"):
        VOC(root, "train", preprocessing=preprocessing)
    annotate(root, "a", ("cat", 0))
    with pytest.raises(ImageError, match="value 77"):
        VOC(root, "train", preprocessing=preprocessing)[0]
    Image.new("L", (6, 8)).save(root / "SegmentationClass/a.png")
    with pytest.raises(ImageError, match=r"a\.png: .*8 x 6 .*a\.jpg has 6 x 8"):
        VOC(root, "train", preprocessing=preprocessing)[0]
    annotate(root, "a", ("unicorn", 0))
    with pytest.raises(ImageError, match=r"a\.xml: the object 'unicorn'"):
        VOC(root, "train", preprocessing=preprocessing)
    (root / "Annotations/a.xml").write_text("<annotation>")
    with pytest.raises(ImageError, match=r"a\.xml: not an XML file"):
        VOC(root, "train", preprocessing=preprocessing)
    (root / "Annotations/a.xml").unlink()
    (root / "SegmentationClass/a.png").unlink()
    (root / "ImageSets/Main/train.txt").write_text("a\n")
    with pytest.raises(ImageError, match="neither an Annotations file nor a mask"):
        VOC(root, "train", task="main", preprocessing=preprocessing)


def test_bad_classes(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc(a=(0, CAT, 0))
    for classes, reason in ((["bear"], "'bear' is unknown.*aeroplane"), ([], "empty"), (["cat", "cat"], "twice")):
        with pytest.raises(InputError, match=reason):
            VOC(root, "train", classes=classes, preprocessing=preprocessing)


@pytest.mark.shared
def test_real_photos(shared: Path, preprocessing: Preprocessing) -> None:
    classes = ["cat", "cow", "dog", "horse", "person", "sheep"]
    train = VOC(shared / "data", "train", classes=classes, preprocessing=preprocessing)
    assert len(train) == 1864
    assert train.labels.sum(0).tolist() == [450, 261, 450, 433, 413, 292]
    val = VOC(shared / "data/VOCdevkit", "val", classes=classes, preprocessing=preprocessing)
    assert len(val) == 222
    theirs = VOCSegmentation(shared / "data", year="2012", image_set="val")
    for i in range(0, 222, 37):
        values = np.asarray(theirs[i][1])
        expected = np.select([values == VOC_CLASSES.index(c) + 1 for c in classes], [1, 2, 3, 4, 5, 6], 0)
        expected[values == VOID] = VOID
        assert np.array_equal(val.segmentation_map(i).numpy(), expected)
        assert (val[i]["segmentation"].unique() <= 6).sum() >= 1


def test_more_class_names_than_8_bits_name(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    root = make_voc("many", a=(0, 0, 0), b=(1, 254, VOID))
    (root / "classes.txt").write_text("\n".join(f"c{number}" for number in range(1, 301)))
    values = np.repeat(np.array([[VOID, 300, 0, 65535]], np.uint16), 2, 1).repeat(6, 0)
    Image.fromarray(values).save(root / "SegmentationClass/a.png")
    data = VOC(root, "train", preprocessing=preprocessing)
    assert data[0]["segmentation"][0].tolist() == [255, 255, 300, 300, 0, 0, 65535, 65535]
    # A palette has 8 bits, and 255 is void there.
    assert data[1]["segmentation"][0].tolist() == [1, 1, 254, 254, 254, 254, 65535, 65535]
    assert [data.labels[i].nonzero().ravel().tolist() for i in range(2)] == [[254, 299], [0, 253]]
    few = VOC(root, "train", classes=["c300"], preprocessing=preprocessing)
    assert few[0]["segmentation"].dtype == torch.uint8
    assert few[0]["segmentation"][0].tolist() == [0, 0, 1, 1, 0, 0, VOID, VOID]
