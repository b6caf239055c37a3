"""One file for a whole job: numbered through, with names that do not depend on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from explanans.deploy.batch.coco_file import join_coco, root_of
from explanans.errors import InputError


def part(path: Path, first: int, names: list[str]) -> Path:
    images = [{"id": first + n, "file_name": name, "height": 2, "width": 3} for n, name in enumerate(names)]
    annotations = [{"id": n + 1, "image_id": first + n, "category_id": 1} for n in range(len(names))]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "ö"}]}))
    return path


def test_parts_are_joined_and_pictures_that_are_gone_left_out(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    names = [[f"{photos}/a/1.png", f"{photos}/2.png"], [f"{photos}/3.png"]]
    parts = [(part(tmp_path / f"{n}.json", 2 * n, of), of) for n, of in enumerate(names)]
    join_coco(parts, tmp_path / "masks.json", [f"{photos}/"])
    whole = json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))
    assert [(image["id"], image["file_name"]) for image in whole["images"]] == [
        (0, "a/1.png"),
        (1, "2.png"),
        (2, "3.png"),
    ]
    assert [(each["id"], each["image_id"]) for each in whole["annotations"]] == [(1, 0), (2, 1), (3, 2)]
    assert whole["categories"] == [{"id": 1, "name": "ö"}]
    join_coco([(parts[0][0], names[0][1:]), parts[1]], tmp_path / "masks.json", [str(photos)])
    whole = json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))
    assert [(each["id"], each["image_id"]) for each in whole["annotations"]] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("", "is empty"),
        ("{", "is not valid JSON"),
        ("[]", "holds a list"),
        ("{}", "lacks images, annotations, categories"),
        ('{"images": [{"id": 0}], "annotations": [], "categories": []}', r"lacks images\[0\]\.file_name"),
        ('{"images": [], "annotations": [{}], "categories": []}', r"lacks annotations\[0\]\.image_id"),
        (b"\xff\xfe\x00", "is damaged or something else"),
        (None, "is missing"),
    ],
)
def test_a_damaged_part_is_named_and_leaves_the_whole_as_it_was(
    tmp_path: Path, damage: str | bytes | None, fault: str
) -> None:
    good, bad, whole = part(tmp_path / "0.json", 0, ["1.png"]), tmp_path / "masks.part.json", tmp_path / "masks.json"
    whole.write_text("earlier")
    if damage is not None:
        bad.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    with pytest.raises(
        InputError, match=rf"masks\.part\.json \(masks of a shard\) {fault}.*; delete the shard's folder"
    ):
        join_coco([(good, ["1.png"]), (bad, [])], whole, ["photos"])
    assert whole.read_text() == "earlier"
    assert {each.name for each in tmp_path.iterdir()} <= {"0.json", "masks.part.json", "masks.json"}


def test_nothing_to_join(tmp_path: Path) -> None:
    join_coco([], tmp_path / "masks.json", ["photos"])
    whole = json.loads((tmp_path / "masks.json").read_text())
    assert (whole["images"], whole["annotations"], whole["categories"]) == ([], [], [])


@pytest.mark.parametrize(
    ("arguments", "root"),
    [
        (["FOLDER/photos"], "FOLDER/photos"),
        (["FOLDER/photos/"], "FOLDER/photos"),
        (["FOLDER/photos", "FOLDER/more/x.jpg"], "FOLDER"),
        (["a/b/1.png", "a/c/2.png"], "a"),
        (["photos/*.jpg"], "photos"),
        (["photos/**/*.jpg"], "photos"),
        (["x.jpg"], ""),
        (["data/list.csv"], "data"),
        (["data/photos.tar.gz"], "data/photos.tar.gz!"),
        (["s3://bucket/photos"], "s3://bucket/photos"),
        (["/a/1.png", "s3://bucket/photos"], ""),
        ([], ""),
    ],
)
def test_what_pictures_have_in_common(tmp_path: Path, arguments: list[str], root: str) -> None:
    (tmp_path / "photos").mkdir()
    given = [argument.replace("FOLDER", str(tmp_path)) for argument in arguments]
    assert root_of(given) == root.replace("FOLDER", str(tmp_path))
