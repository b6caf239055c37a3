from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from explanans.data import VOC, ImageFolder, ImageTable, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

MakeVoc = Callable[..., Path]


def test_schemes_and_bare_paths(tmp_path: Path, make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    devkit = make_voc(a=(0, 8, 0))
    (tmp_path / "folders/cat").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "folders/cat/0.jpg")
    table = tmp_path / "table.csv"
    table.write_text("image,cat\nfolders/cat/0.jpg,1\n")
    cases = [
        (f"voc:{devkit}", "train", VOC),
        (f"scenes:{devkit}", "train", VOC),
        (devkit, "train", VOC),
        (devkit.parent, "train", VOC),
        (f"folder:{tmp_path / 'folders'}", "all", ImageFolder),
        (str(tmp_path / "folders"), "all[:1]", ImageFolder),
        (f"table:{table}", "all", ImageTable),
        (table, "all", ImageTable),
        (f"{table}?labels=cats", "all", ImageTable),
    ]
    for spec, split, kind in cases:
        data = open_dataset(spec, split, classes=["cat"], preprocessing=preprocessing, cache=True)
        assert type(data) is kind
        assert data.labels.tolist() == [[1]]
        assert data.classes == ("cat",)


def test_opened_without_segmentation(make_voc: MakeVoc, preprocessing: Preprocessing) -> None:
    devkit = make_voc(a=(0, 8, 0))
    assert "segmentation" in open_dataset(devkit, "train", preprocessing=preprocessing, cache=True)[0]
    for cache in (False, True):
        data = open_dataset(devkit, "train", preprocessing=preprocessing, cache=cache, segmentation=False)
        assert "segmentation" not in data[0]
        assert (data._cache is not None) == cache


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (
            "imagenet:/data",
            "unknown scheme 'imagenet'; write voc:PATH, scenes:PATH, coco:PATH, cub:PATH, folder:PATH, table:PATH",
        ),
        ("nowhere", "no such folder; write voc:PATH"),
        ("nowhere.csv", "does not exist"),
        ("nowhere.csv?image=file", "nowhere.csv does not exist"),
        ("nowhere.csv?picture=file", "'picture' is no option"),
        ("nowhere?labels=tags", "no such folder"),
        ("voc:nowhere", "nowhere does not exist"),
    ],
)
def test_bad_specs(spec: str, reason: str, preprocessing: Preprocessing) -> None:
    with pytest.raises(InputError, match=reason):
        open_dataset(spec, "train", preprocessing=preprocessing)
