from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from explanans.data.datasets.folder import ImageFolder
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing


def fill(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        folder = root / name
        folder.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (8, 6)).save(folder / f"{i}.jpg")
    return root


def test_class_folders(tmp_path: Path, preprocessing: Preprocessing) -> None:
    data = ImageFolder(fill(tmp_path, dog=3, cat=2), preprocessing=preprocessing)
    assert data.classes == ("cat", "dog")
    assert sorted(data.names) == ["cat/0.jpg", "cat/1.jpg", "dog/0.jpg", "dog/1.jpg", "dog/2.jpg"]
    for name, labels in zip(data.names, data.labels.tolist(), strict=True):
        assert labels == ([1, 0] if name.startswith("cat") else [0, 1])
    assert not data.has_segmentation
    assert data[0]["image"].shape == (3, 6, 8)


def test_split_folders_share_one_list_of_classes(tmp_path: Path, preprocessing: Preprocessing) -> None:
    fill(tmp_path / "train", cat=3, dog=3)
    fill(tmp_path / "val", dog=2)
    assert ImageFolder(tmp_path, "val", preprocessing=preprocessing).labels.tolist() == [[0, 1], [0, 1]]


def test_parts_hold_every_class_and_do_not_overlap(tmp_path: Path, preprocessing: Preprocessing) -> None:
    fill(tmp_path, cat=30, dog=30)
    parts = [ImageFolder(tmp_path, f"all{part}", preprocessing=preprocessing) for part in ("[:50%]", "[50%:]")]
    assert len(set(parts[0].names) | set(parts[1].names)) == 60
    assert all(part.labels.sum(0).min() >= 8 for part in parts)


def test_chosen_classes(tmp_path: Path, preprocessing: Preprocessing) -> None:
    fill(tmp_path, cat=1, dog=2, cow=3)
    data = ImageFolder(tmp_path, classes=["dog", "cat"], preprocessing=preprocessing)
    assert data.labels.sum(0).tolist() == [2, 1]


def test_bad_folders(tmp_path: Path, preprocessing: Preprocessing) -> None:
    flat, split = fill(tmp_path / "flat", cat=1, empty=0), fill(tmp_path / "split" / "train", cat=1).parent
    (tmp_path / "nothing").mkdir()
    cases = [
        (tmp_path / "nowhere", "all", None, "does not exist"),
        (tmp_path / "nothing", "all", None, "no sub-folder"),
        (flat, "train", None, "take 'all'"),
        (split, "val", None, "has the splits train"),
        (split, "all", None, "has the splits train"),
        (flat, "all", ["bird"], "'bird' is unknown.*cat, empty"),
        (flat, "all", ["empty"], r"0 pictures.*\.jpg"),
        (flat, "all[:0%]", None, "selects none"),
        (flat, "all", [], "empty"),
        (flat, "all", ["cat", "cat"], "twice"),
    ]
    for root, name, classes, reason in cases:
        with pytest.raises(InputError, match=reason):
            ImageFolder(root, name, classes=classes, preprocessing=preprocessing)
