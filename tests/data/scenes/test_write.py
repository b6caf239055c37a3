from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explanans.data import scenes
from explanans.data.scenes import CLASSES, draw_scene, write_scenes
from explanans.data.scenes.write import voc_palette
from explanans.errors import InputError
from explanans.utils.temporaries import temporary_folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    options = {"train": 20, "val": 4, "test": 3, "size": 64, "seed": 5, "quiet": True}
    alone = write_scenes(tmp_path / "alone", workers=0, **options)
    two = write_scenes(tmp_path / "two", workers=2, **options)
    other = write_scenes(tmp_path / "other", **{**options, "seed": 6})
    assert contents(alone) == contents(two)
    assert contents(alone)["JPEGImages/0000000.jpg"] != contents(other)["JPEGImages/0000000.jpg"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "here", train=12, val=3, test=0, seed=2, quiet=True)


def test_layout_of_voc(written: Path) -> None:
    lists = written / "ImageSets" / "Segmentation"
    train, val = ((lists / f"{split}.txt").read_text().split() for split in ("train", "val"))
    assert (len(train), len(val)) == (12, 3)
    assert not (lists / "test.txt").exists()
    assert not set(train) & set(val)
    assert (written / "classes.txt").read_text().splitlines() == list(CLASSES)
    assert json.loads((written / "scenes.json").read_text())["seed"] == 2
    for name in train + val:
        scene = draw_scene(2, int(name))
        with Image.open(written / "JPEGImages" / f"{name}.jpg") as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (96, 96))
            assert np.abs(np.asarray(picture, dtype=float) - scene.picture).mean() < 4
        with Image.open(written / "SegmentationClass" / f"{name}.png") as mask:
            assert mask.mode == "P"
            assert np.array_equal(np.asarray(mask), scene.mask)
        root = ElementTree.parse(written / "Annotations" / f"{name}.xml").getroot()
        assert root.findtext("filename") == f"{name}.jpg"
        found = [
            (o.findtext("name"), *(int(o.findtext(f"bndbox/{k}", "")) for k in ("xmin", "ymin", "xmax", "ymax")))
            for o in root.findall("object")
        ]
        assert found == [(t.name, t.box[0] + 1, t.box[1] + 1, t.box[2], t.box[3]) for t in scene.objects]
        assert {o.findtext("difficult") for o in root.findall("object")} <= {"0"}


def test_a_split_does_not_depend_on_the_size_of_another(written: Path, tmp_path: Path) -> None:
    more = write_scenes(tmp_path / "more", train=1, val=3, test=1, seed=2, quiet=True)
    ours, theirs = contents(written), contents(more)
    validation = [name for name in theirs if "/1" in name]
    assert len(validation) == 9
    assert all(ours[name] == theirs[name] for name in validation)


def test_palette_of_voc() -> None:
    colours = [tuple(voc_palette()[3 * i : 3 * i + 3]) for i in (0, 1, 2, 3, 4, 8, 15, 20, 255)]
    assert colours == [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        (0, 0, 128),
        (64, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]


def test_the_same_settings_are_reused_and_said(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in written.rglob("*")}
    assert write_scenes(written, train=12, val=3, test=0, seed=2) == written
    assert "already holds these scenes" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in written.rglob("*")} == before


def test_other_settings_are_refused(written: Path) -> None:
    before = contents(written)
    with pytest.raises(InputError, match=r"data set of scenes with other settings: seed was 2, is 3"):
        write_scenes(written, train=12, val=3, test=0, seed=3, quiet=True)
    assert contents(written) == before


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other things"):
        write_scenes(tmp_path, train=1, val=0, test=0, quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scenes.json").write_text("{")
    with pytest.raises(InputError, match=r"scenes\.json .*is not valid JSON"):
        write_scenes(tmp_path, train=1, val=0, test=0, quiet=True)


def test_nothing_is_left_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the disc is full")

    monkeypatch.setattr(scenes.write, "draw_scene", fail)
    with pytest.raises(RuntimeError, match="full"):
        write_scenes(tmp_path / "new", train=1, val=0, test=0, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(tmp_path: Path, of_the_dead: Callable[[Path], Path]) -> None:
    left = of_the_dead(temporary_folder(tmp_path / "new"))
    (left / "JPEGImages").mkdir()
    write_scenes(tmp_path / "new", train=1, val=0, test=0, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_silent_when_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in ("drawn", "there already"):
        write_scenes(tmp_path / "quiet", train=2, val=0, test=0, size=48, quiet=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": -1}, "train=-1"),
        ({"val": 1.5}, "val=1.5"),
        ({"test": True}, "test=True"),
        ({"train": 0, "val": 0, "test": 0}, "all 0"),
        ({"train": 1_000_001}, "train=1000001"),
        ({"size": 47}, "size=47"),
        ({"seed": -2}, "seed=-2"),
        ({"workers": -1}, "workers=-1"),
    ],
)
def test_bad_arguments(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_scenes(tmp_path / "new", quiet=True, **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
