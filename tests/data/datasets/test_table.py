from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from explanans.data import open_dataset
from explanans.data.datasets.table import ImageTable
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.new("RGB", (8, 6)).save(tmp_path / f"images/{i}.jpg")
        Image.new("L", (8, 6), i).save(tmp_path / f"images/{i}.png")
    return tmp_path


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_column_per_class(folder: Path, preprocessing: Preprocessing) -> None:
    path = csv(folder, "image,dog,cat", "images/0.jpg,1,0", "images/1.jpg,1,1", "images/2.jpg,0,0")
    data = ImageTable(path, preprocessing=preprocessing)
    assert data.classes == ("dog", "cat")
    assert data.labels.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert data.names == ("images/0.jpg", "images/1.jpg", "images/2.jpg")
    assert data[0]["image"].shape == (3, 6, 8)
    assert ImageTable(path, classes=["cat"], preprocessing=preprocessing).labels.tolist() == [[0], [1], [0]]


@pytest.mark.parametrize("separator", [";", "|", " ; "])
def test_a_column_of_names(folder: Path, preprocessing: Preprocessing, separator: str) -> None:
    path = csv(folder, "image,labels", "images/0.jpg,dog", f"images/1.jpg,dog{separator}cat", "images/2.jpg,")
    data = ImageTable(path, preprocessing=preprocessing)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_parquet_with_lists_and_another_root(folder: Path, preprocessing: Preprocessing) -> None:
    (folder / "tables").mkdir()
    path = folder / "tables/t.parquet"
    table = pa.table({"file": ["0.jpg", "1.jpg", "2.jpg"], "labels": [["b"], ["a", "b"], None]})
    pa.parquet.write_table(table, path)
    data = ImageTable(path, image="file", root=folder / "images", classes=["b", "a"], preprocessing=preprocessing)
    assert data.labels.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert data.picture(2).size == (8, 6)
    named = open_dataset(f"table:{path}?image=file&root={folder / 'images'}", "all", preprocessing=preprocessing)
    assert named.names == data.names


def test_parquet_with_true_and_false(folder: Path, preprocessing: Preprocessing) -> None:
    pa.parquet.write_table(pa.table({"image": ["images/0.jpg"], "a": [True], "b": [0.0]}), folder / "t.parquet")
    assert ImageTable(folder / "t.parquet", preprocessing=preprocessing).labels.tolist() == [[1, 0]]


def test_splits_and_their_parts(folder: Path, preprocessing: Preprocessing) -> None:
    lines = ["image,split,a", "images/0.jpg,train,1", "images/1.jpg,val,0", "images/2.jpg,train,0"]
    path = csv(folder, *lines)
    for split, names in {"train": "02", "train[50%:]": "2", "val": "1", "all": "012", "all[:1]": "0"}.items():
        data = ImageTable(path, split, preprocessing=preprocessing)
        assert data.names == tuple(f"images/{i}.jpg" for i in names)
        assert len(data.labels) == len(names)


def test_segmentation_values_are_places_of_class_columns(folder: Path, preprocessing: Preprocessing) -> None:
    lines = ["image,segmentation,a,b"] + [f"images/{i}.jpg,images/{i}.png,0,0" for i in range(3)]
    path = csv(folder, *lines)
    both = ImageTable(path, preprocessing=preprocessing)
    assert [int(both[i]["segmentation"].max()) for i in range(3)] == [0, 1, 2]
    only_b = ImageTable(path, classes=["b"], preprocessing=preprocessing)
    assert [int(only_b[i]["segmentation"].max()) for i in range(3)] == [0, 0, 1]


def test_names_of_digits_are_not_taken_for_numbers(tmp_path: Path, preprocessing: Preprocessing) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "0012", "PNG")
    data = ImageTable(csv(tmp_path, "image,labels", "0012,007"), preprocessing=preprocessing)
    assert data.names == ("0012",)
    assert data.classes == ("007",)


@pytest.mark.parametrize(
    ("lines", "options", "reason"),
    [
        (["picture,a", "x,1"], {}, "no column 'image'; it has picture, a"),
        (["image;a", "x;1"], {}, "no column 'image'; it has image;a"),
        (["image", "images/0.jpg"], {}, "has no labels"),
        (["image,a", "images/0.jpg,1", "images/1.jpg,2"], {}, "column 'a', row 2: 2 is neither 0 nor 1"),
        (["image,a", "images/0.jpg,1", "images/1.jpg,yes"], {}, "column 'a', row 2: 'yes' is neither"),
        (["image,a", "images/0.jpg,"], {}, "column 'a', row 1"),
        (["image,a", "images/0.jpg,1"], {"classes": ["b"]}, "'b' is unknown"),
        (["image,labels", "images/0.jpg,a", "images/1.jpg,a;b"], {"classes": ["a"]}, "row 2: 'b' is no class"),
        (["image,labels", "images/0.jpg,"], {}, "no row names a class"),
        (["image,a", "images/0.jpg,1", "images/9.jpg,1"], {}, r"9\.jpg: no such file, but row 2"),
        (["image,a,segmentation", "images/0.jpg,1,images/9.png"], {}, r"9\.png: no such file, but row 1"),
        (["image,a,segmentation", "images/0.jpg,1,"], {}, "column 'segmentation', row 1: '' is no path"),
        (["image,a", ",1"], {}, "column 'image', row 1: '' is no path"),
        (["image,a", "images/0.jpg,1"], {"split": "train"}, "no column 'split'"),
        (["image,a,split", "images/0.jpg,1,val"], {"split": "train"}, "has the splits val"),
        (["image,a", "images/0.jpg,1"], {"split": "all[:0%]"}, "selects none"),
        (["image,a,a", "images/0.jpg,1,1"], {}, "more than one column 'a'"),
        (["image,a"], {}, "no rows"),
        (["image,a", "images/0.jpg,1,5"], {}, "cannot be read"),
    ],
)
def test_bad_tables(folder: Path, preprocessing: Preprocessing, lines: list[str], options: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        ImageTable(csv(folder, *lines), **options, preprocessing=preprocessing)


def test_bad_files(folder: Path, preprocessing: Preprocessing) -> None:
    (folder / "t.parquet").write_bytes(b"no table")
    (folder / "e.csv").touch()
    for name, reason in {
        "t.parquet": "cannot be read",
        "e.csv": "cannot be read",
        "n.csv": "exist",
        "t.xls": "neither",
    }.items():
        with pytest.raises(InputError, match=reason):
            ImageTable(folder / name, preprocessing=preprocessing)
    with pytest.raises(ImageError) as caught:
        ImageTable(csv(folder, "image,a", "nowhere.jpg,1"), preprocessing=preprocessing)
    assert caught.value.path == folder / "nowhere.jpg"
