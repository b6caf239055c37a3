from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanans.data import COCO
from explanans.data.datasets.coco import index
from explanans.data.datasets.coco.index import open_index
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

Edit = Callable[[dict[str, Any]], None]


def _first(**changes: object) -> Edit:
    return lambda content: content["annotations"][0].update(changes)


def test_the_index_is_made_once_and_again_when_the_file_changes(
    edited: Callable[[Edit], Path], preprocessing: Preprocessing, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = edited()
    path = root / "annotations/instances_train2014.json"
    first = COCO(root, "train", preprocessing=preprocessing)
    reads = []
    parse = index.parse_annotations
    monkeypatch.setattr(index, "parse_annotations", lambda *args: reads.append(args) or parse(*args))
    assert COCO(root, "train", preprocessing=preprocessing).fingerprint() == first.fingerprint()
    assert not reads
    content = json.loads(path.read_text())
    content["annotations"] = [entry for entry in content["annotations"] if not entry["iscrowd"]]
    path.write_text(json.dumps(content))
    second = COCO(root, "train", preprocessing=preprocessing)
    assert len(reads) == 1
    assert second.fingerprint() != first.fingerprint()
    file = path.with_name(f"{path.name}.index")
    file.write_bytes(file.read_bytes()[:100])
    assert len(open_index(path).ids) == 30
    assert len(reads) == 2, "a damaged index is made anew"
    with pytest.raises(InputError, match="open the data set again"):
        pickle.loads(pickle.dumps(first._index))
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_a_folder_that_may_only_be_read(
    edited: Callable[[Edit], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = edited() / "annotations/instances_val2014.json"
    path.with_name(f"{path.name}.index").unlink(missing_ok=True)
    monkeypatch.setenv("EXPLANANS_CACHE", str(tmp_path / "cache"))
    write = index._write

    def refuse(content: dict[str, Any], file: Path) -> None:
        if file.parent == path.parent:
            raise PermissionError(13, "Permission denied", str(file))
        write(content, file)

    # Not chmod, which root does not feel.
    monkeypatch.setattr(index, "_write", refuse)
    assert len(open_index(path).ids) == 15
    assert len(list((tmp_path / "cache/coco").iterdir())) == 1
    monkeypatch.setattr(index, "parse_annotations", None)
    assert len(open_index(path).ids) == 15


def test_any_layout_of_json(root: Path, tmp_path: Path) -> None:
    path = root / "annotations/instances_val2014.json"
    content = json.loads(path.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps(dict(reversed(content.items())), indent=1))
    one, two = open_index(path), open_index(other)
    for name, values in one._arrays.items():
        assert np.array_equal(values, two._arrays[name]), name


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_first(category_id=12), r"annotation \d+: category_id=12 is none of COCO's 80"),
        (_first(image_id=99_999), r"annotation \d+ belongs to image 99999, which is not listed"),
        (_first(segmentation=[[1, 2, 3, 4, 5]]), r"annotation \d+: a polygon of 5 numbers"),
        (_first(segmentation=None), r"annotation \d+: "),
        (_first(segmentation={"size": [48, 64], "counts": [5, 5]}), "run lengths for 10 pixels in a mask of 48 x 64"),
        (_first(segmentation={"size": [9, 9], "counts": [81]}), "a mask of 9 x 9 pixels, its image"),
        (lambda content: content["annotations"][0].pop("image_id"), r"annotation \d+: has no 'image_id'"),
        (lambda content: content["images"][0].pop("width"), r"image \d+: has no 'width'"),
        (lambda content: content["images"].clear(), "lists no images"),
        (lambda content: content["categories"].pop(), "number 90 is None there and 'toothbrush' in COCO"),
        (lambda content: content["categories"][0].update(name="human"), "number 1 is 'human' there"),
    ],
)
def test_wrong_annotations(
    edited: Callable[[Edit], Path], preprocessing: Preprocessing, edit: Edit, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        COCO(edited(edit), "train", preprocessing=preprocessing)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"images": [1 2]}', '{"images" 3}', '{"images": [{"id": 1,', "\udcff"]
)
def test_no_annotation_file(edited: Callable[[Edit], Path], preprocessing: Preprocessing, text: str) -> None:
    root = edited()
    path = root / "annotations/instances_train2014.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"instances_train2014\.json"):
        COCO(root, "train", preprocessing=preprocessing)
