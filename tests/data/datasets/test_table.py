from __future__ import annotations

import re
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


def test_a_column_called_label(folder: Path, preprocessing: Preprocessing) -> None:
    named = csv(folder, "image,label,split", "images/0.jpg,crack,train", "images/1.jpg,,train", "images/2.jpg,1,train")
    assert ImageTable(named, preprocessing=preprocessing).classes == ("1", "crack")
    of_numbers = csv(folder, "image,label", "images/0.jpg,1", "images/1.jpg,0")
    data = ImageTable(of_numbers, preprocessing=preprocessing)
    assert data.classes == ("label",)
    assert data.labels.tolist() == [[1], [0]]
    both = csv(folder, "image,labels,label", "images/0.jpg,dog,x", "images/1.jpg,cat,y")
    assert ImageTable(both, preprocessing=preprocessing).classes == ("cat", "dog")


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
    with pytest.warns(UserWarning, match="no row has the class b; check the names"):
        table = ImageTable(folder / "t.parquet", preprocessing=preprocessing)
    assert table.labels.tolist() == [[1, 0]]


def test_splits_and_their_parts(folder: Path, preprocessing: Preprocessing) -> None:
    lines = ["image,split,a", "images/0.jpg,train,1", "images/1.jpg,val,0", "images/2.jpg,train,0"]
    path = csv(folder, *lines)
    for split, names in {"train": "02", "train[50%:]": "2", "val": "1", "all": "012", "all[:1]": "0"}.items():
        data = ImageTable(path, split, preprocessing=preprocessing)
        assert data.names == tuple(f"images/{i}.jpg" for i in names)
        assert len(data.labels) == len(names)


def test_segmentation_values_are_places_of_class_columns(folder: Path, preprocessing: Preprocessing) -> None:
    lines = ["image,segmentation,a,b"] + [f"images/{i}.jpg,images/{i}.png,{i % 2},{i // 2}" for i in range(3)]
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


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("lines", "options", "reason"),
    [
        (["picture,a", "x,1"], {}, r"no column 'image'.* it has picture, a.*table\.csv\?image=picture"),
        (["number,photo", "1,x"], {}, r"\?image=photo"),
        (["image", "images/0.jpg"], {}, "has no labels"),
        (["image,a", "images/0.jpg,1", "images/1.jpg,2"], {}, "column 'a', row 2: '2' is neither 0 nor 1"),
        (["image,a", "images/0.jpg,1", "images/1.jpg,maybe"], {}, "column 'a', row 2: 'maybe' is neither"),
        (["image,a", "images/0.jpg,"], {}, "column 'a', row 1"),
        (["image,a", "images/0.jpg,1"], {"classes": ["b"]}, "'b' is unknown"),
        (
            ["image,labels", "images/0.jpg,a", "images/1.jpg,a;b"],
            {"classes": ["a"]},
            r"row 2: 'b' is no class.*\?other_labels=drop",
        ),
        (["image,labels", "images/0.jpg,"], {}, "no row names a class"),
        (["image,a", "images/0.jpg,1", "images/9.jpg,1"], {}, r"9\.jpg: no such file, but row 2"),
        (["image,a,segmentation", "images/0.jpg,1,images/9.png"], {}, r"9\.png: no such file, but row 1"),
        (["image,tags", "images/0.jpg,cat"], {}, r"'cat' is neither 0 nor 1.*\?labels=tags"),
        (["image,a", "images,1"], {}, "no regular file, but row 1"),
        (["image,labels", "images/0.jpg,a"], {"classes": ["b"]}, "no row names one of b; the names are a"),
        (["image,labels", "images/0.jpg,a"], {"other_labels": "keep"}, "take 'refuse' or 'drop'"),
        (["image,a", ",1"], {}, "column 'image', row 1: '' is no path"),
        (["image,a", "images/0.jpg,1"], {"split": "train"}, "no column 'split'"),
        (["image,labels,fold", "images/0.jpg,a,val"], {"split": "train"}, "split_column=COLUMN"),
        (["image,a,split", "images/0.jpg,1,val"], {"split": "train"}, "has the splits val"),
        (["image,a", "images/0.jpg,1"], {"split": "all[:0%]"}, "selects none"),
        (["image,a,a", "images/0.jpg,1,1"], {}, "more than one column 'a'; rename"),
        (["image,a"], {}, "no rows"),
        (["image,a", "images/0.jpg,1,5"], {}, "cannot be read"),
    ],
)
def test_bad_tables(folder: Path, preprocessing: Preprocessing, lines: list[str], options: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        ImageTable(csv(folder, *lines), **options, preprocessing=preprocessing)


@pytest.mark.bad_input
def test_bad_files(folder: Path, preprocessing: Preprocessing) -> None:
    (folder / "t.parquet").write_bytes(b"no table")
    (folder / "e.csv").touch()
    for name, reason in {
        "t.parquet": "cannot be read",
        "e.csv": "is empty",
        "n.csv": "exist",
        "t.xls": "neither",
    }.items():
        with pytest.raises(InputError, match=reason):
            ImageTable(folder / name, preprocessing=preprocessing)
    with pytest.raises(ImageError) as caught:
        ImageTable(csv(folder, "image,a", "nowhere.jpg,1"), preprocessing=preprocessing)
    assert caught.value.path == folder / "nowhere.jpg"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_other_delimiters_names_of_columns_and_folders(
    folder: Path, preprocessing: Preprocessing, delimiter: str
) -> None:
    (folder / "lists").mkdir()
    path = folder / "lists" / "t.csv"
    rows = [["file", "tags", "fold"], ["0.jpg", "dog|cat", "a"], ["1.jpg", "dog", "b"]]
    # With the mark that spreadsheets write at the beginning.
    path.write_text("\ufeff" + "\n".join(map(delimiter.join, rows)), encoding="utf-8")
    spec = f"table:{path}?image=file&labels=tags&split_column=fold&root={folder}/images"
    data = open_dataset(spec, "a", preprocessing=preprocessing)
    assert (data.names, data.classes) == (("0.jpg",), ("cat", "dog"))
    assert data.labels.tolist() == [[1, 1]]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("separator", "code"), [(",", ","), ("/", "/"), (" ", "%20"), ("+", "%2B"), ("&", "%26"), (", ", ",")]
)
def test_labels_that_something_else_joins_are_refused_until_it_is_named(
    folder: Path, preprocessing: Preprocessing, separator: str, code: str
) -> None:
    cells = [["sky", "grass"], ["sky", "sheep"], ["grass", "sheep"]]
    more = [["sky", "grass", "sheep"], ["sky", "road"], ["road", "grass"]]
    lines = [f'images/{i % 3}.jpg,"{separator.join(each)}"' for i, each in enumerate(cells + more)]
    path = csv(folder, "image,labels", *lines)
    with pytest.raises(InputError, match=rf"looks like several labels.*\?separator={re.escape(code)}\."):
        ImageTable(path, preprocessing=preprocessing)
    data = open_dataset(f"table:{path}?separator={code}", "all", preprocessing=preprocessing)
    assert data.classes == ("grass", "road", "sheep", "sky")
    assert data.labels.sum(1).tolist() == [2, 2, 2, 3, 2, 2]
    assert len(ImageTable(path, separator="single", preprocessing=preprocessing).classes) == 6


def test_names_with_blanks_are_names(folder: Path, preprocessing: Preprocessing) -> None:
    lines = ["images/0.jpg,sports car", "images/1.jpg,dining table;sports car", "images/2.jpg,traffic light"]
    data = ImageTable(csv(folder, "image,labels", *lines), preprocessing=preprocessing)
    assert data.classes == ("dining table", "sports car", "traffic light")


def test_labels_of_other_classes_may_be_left_out(folder: Path, preprocessing: Preprocessing) -> None:
    path = csv(folder, "image,labels", "images/0.jpg,a;b", "images/1.jpg,b", "images/2.jpg,a")
    data = ImageTable(path, classes=["a"], other_labels="drop", preprocessing=preprocessing)
    assert data.labels.tolist() == [[1], [0], [1]]


def test_a_class_that_no_row_has_is_told(folder: Path, preprocessing: Preprocessing) -> None:
    path = csv(folder, "image,labels", "images/0.jpg,sheep")
    with pytest.warns(UserWarning, match="no row has the class Sheep; check the names"):
        ImageTable(path, classes=["sheep", "Sheep"], preprocessing=preprocessing)
    with pytest.warns(UserWarning, match=r"no row has the classes class 0, .*, class 19 and 970 more; check the names"):
        ImageTable(path, classes=["sheep", *(f"class {n}" for n in range(990))], preprocessing=preprocessing)


def test_what_a_maps_values_mean_does_not_depend_on_the_order_of_classes(
    folder: Path, preprocessing: Preprocessing
) -> None:
    lines = ["images/1.jpg,images/1.png,cat", "images/2.jpg,images/2.png,dog", "images/0.jpg,,dog"]
    path = csv(folder, "image,segmentation,labels", *lines)
    for classes, order in ((None, (1, 2)), (["dog", "cat"], (2, 1))):
        data = ImageTable(path, classes=classes, preprocessing=preprocessing)
        assert [int(data.segmentation_map(i).max()) for i in range(2)] == list(order)
        assert not data.has_segmentation
        assert len(data.with_segmentation()) == 2
    with pytest.raises(InputError, match=r"contradict the labels in 2 of 2 .*1\.png shows dog, its row has cat"):
        ImageTable(path, mask_classes="dog;cat", preprocessing=preprocessing)


def test_latin_1_is_told(folder: Path, preprocessing: Preprocessing) -> None:
    (folder / "t.csv").write_bytes("image,größe\nimages/0.jpg,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="not in UTF-8; save it with that encoding"):
        ImageTable(folder / "t.csv", preprocessing=preprocessing)
