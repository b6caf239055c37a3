from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.data import CUB, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

from .miniature import BIRDS, cub_grey, write_cub

# Of each bird's pictures 0 … 6.
TRAIN, TEST = (0, 2, 3, 5), (1, 4, 6)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cub(tmp_path)


def number(name: str) -> int:
    return int(name.rsplit("_", 2)[1])


def test_the_published_split(root: Path, preprocessing: Preprocessing) -> None:
    for split, wanted in (("train", TRAIN), ("test", TEST)):
        data = CUB(root, split, preprocessing=preprocessing)
        assert data.classes == BIRDS
        found = sorted((name.split("/")[0], number(name)) for name in data.names)
        assert found == [(bird, i) for bird in BIRDS for i in wanted]
        assert data.labels.sum(1).eq(1).all()
        for i, name in enumerate(data.names):
            assert data.classes[data.labels[i].argmax()] == name.split("/")[0]
            assert data.paths[i] == root / "images" / name
        assert set(data.names[:4]) != {name for name in data.names if name.startswith("001")}


def test_parts_share_nothing_and_hold_all(root: Path, preprocessing: Preprocessing) -> None:
    whole, first, second = (
        CUB(root, split, preprocessing=preprocessing) for split in ("train", "train[:75%]", "train[75%:]")
    )
    assert first.names + second.names == whole.names
    assert len(first) == 12


def test_chosen_classes_leave_the_others_out(root: Path, preprocessing: Preprocessing) -> None:
    data = CUB(root, "test", classes=[BIRDS[2], BIRDS[0]], preprocessing=preprocessing)
    assert len(data) == 6
    assert data.labels.sum(0).tolist() == [3, 3]
    i = next(i for i, name in enumerate(data.names) if name.startswith(BIRDS[2]) and number(name) == 1)
    assert data.labels[i].tolist() == [1, 0]
    assert set(data.segmentation_map(i).unique().tolist()) == {0, 1}


@pytest.mark.parametrize(("agreement", "needed"), [(0.5, 3), (0.6, 3), (0.61, 4), (0.2, 1), (0.01, 1), (1.0, 5)])
def test_segmentations_by_agreement(root: Path, agreement: float, needed: int, preprocessing: Preprocessing) -> None:
    """The columns of a mask are pairs of 0 to 5 annotators of 5."""
    data = CUB(root, "train", agreement=agreement, preprocessing=preprocessing)
    assert data.has_segmentation
    for i, name in enumerate(data.names):
        value = BIRDS.index(name.split("/")[0]) + 1
        annotators = cub_grey(number(name)) // 51
        assert np.array_equal(data.segmentation_map(i).numpy(), (annotators >= needed) * value)
    assert (data.fingerprint() == CUB(root, "train", preprocessing=preprocessing).fingerprint()) == (agreement == 0.5)
    sample = data[0]
    assert sample["segmentation"].shape == (6, 8)
    assert torch.equal(sample["labels"], data.labels[0])


def test_images_without_a_segmentation(root: Path, preprocessing: Preprocessing) -> None:
    data = CUB(root, "test", preprocessing=preprocessing)
    assert not data.has_segmentation
    masked = data.with_segmentation()
    assert {number(name) for name in masked.names} == {1, 4}
    assert all(masked[i]["segmentation"].max() == masked.labels[i].argmax() + 1 for i in range(len(masked)))
    (root.parent / "segmentations").rename(root / "segmentations")
    assert CUB(root, "test", preprocessing=preprocessing).with_segmentation().names == masked.names
    (root / "segmentations").rename(root.parent / "elsewhere")
    assert CUB(root, "test", preprocessing=preprocessing).segmentations is None


def test_by_its_names(root: Path, preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANANS_DATA", str(root.parent))
    for spec in (f"cub:{root}", f"cub:{root.parent}", "cub:2011", "cub:2011?agreement=0.5"):
        data = open_dataset(spec, "train", preprocessing=preprocessing)
        assert isinstance(data, CUB)
        assert len(data) == 16
    assert open_dataset("cub:2011?agreement=0.9", "train", preprocessing=preprocessing).agreement == 0.9  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="agreement='most'; give a finite number"):
        open_dataset("cub:2011?agreement=most", "train", preprocessing=preprocessing)
    monkeypatch.setenv("EXPLANANS_DATA", str(root))
    with pytest.raises(InputError, match=r"Fetch it: explanans data cub\."):
        open_dataset("cub:2011", "train", preprocessing=preprocessing)


def test_bad_arguments(root: Path, preprocessing: Preprocessing) -> None:
    for arguments, said in (
        ({"split": "val"}, "has the splits train, test; for a validation part take"),
        ({"split": "train", "agreement": 0.0}, "agreement=0"),
        ({"split": "train", "classes": ["001.Albatross"]}, "unknown"),
        ({"split": "train[:0]"}, "selects none"),
    ):
        with pytest.raises(InputError, match=said):
            CUB(root, preprocessing=preprocessing, **arguments)
    with pytest.raises(InputError, match=r"holds no images\.txt.*explanans data cub"):
        CUB(root / "images", "train", preprocessing=preprocessing)
    with pytest.raises(InputError, match="does not exist"):
        CUB(root / "nowhere", "train", preprocessing=preprocessing)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("classes.txt", "2 002", "3 002", "must number different classes"),
        ("image_class_labels.txt", "5 1\n", "5 9\n", "image 5 has 9; it must be 1 to 4"),
        ("train_test_split.txt", "28 0\n", "", "only one of them has image 28"),
        ("train_test_split.txt", "1 1\n", "1 2\n", "image 1 has 2; it must be 0 to 1"),
        ("images.txt", "3 001", "three 001", r"line 3: 'three 001.*' is not a number and a value"),
    ],
)
def test_wrong_files(root: Path, file: str, old: str, new: str, said: str, preprocessing: Preprocessing) -> None:
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as caught:
        CUB(root, "train", preprocessing=preprocessing)
    assert str(root / file) in str(caught.value)


def test_missing_files(root: Path, preprocessing: Preprocessing) -> None:
    mask = next((root.parent / "segmentations" / BIRDS[0]).glob("*_0000_*"))
    Image.new("L", (5, 5)).save(mask)
    data = CUB(root, "train", preprocessing=preprocessing)
    i = next(i for i, name in enumerate(data.names) if name.startswith("001") and number(name) == 0)
    with pytest.raises(ImageError, match=r"5 x 5 .*has 10 x 12"):
        data[i]
    Image.fromarray(np.zeros((10, 12), np.uint16)).save(mask)
    with pytest.raises(ImageError, match="has mode I;16"):
        data[i]
    picture = root / "images" / BIRDS[0] / f"{mask.stem}.jpg"
    picture.unlink()
    with pytest.raises(ImageError, match="no such picture, nor 0 more") as caught:
        CUB(root, "train", preprocessing=preprocessing)
    assert caught.value.path == picture
    (root / "train_test_split.txt").unlink()
    with pytest.raises(InputError, match=r"train_test_split\.txt does not exist"):
        CUB(root, "train", preprocessing=preprocessing)
