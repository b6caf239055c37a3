from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explanans.data import scenes
from explanans.data.scenes import CLASSES, Scene, compose, draw_scene, write_scenes
from explanans.data.scenes.shapes import SHAPES, unit_area
from explanans.data.scenes.textures import TEXTURES
from explanans.data.scenes.write import voc_palette
from explanans.errors import InputError
from explanans.utils.temporaries import temporary_folder

NAMES = list(CLASSES)


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    return [draw_scene(7, i) for i in range(300)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_arguments_same_bytes() -> None:
    first, again = draw_scene(3, 14), draw_scene(3, 14)
    assert first.picture.tobytes() == again.picture.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert first.objects == again.objects


@pytest.mark.parametrize(("seed", "index"), [(4, 14), (3, 15)])
def test_another_seed_or_index_is_another_scene(seed: int, index: int) -> None:
    assert (draw_scene(3, 14).picture != draw_scene(seed, index).picture).mean() > 0.5


@pytest.mark.parametrize("size", [48, 96, 131])
def test_form(size: int) -> None:
    scene = draw_scene(0, 1, size)
    assert scene.picture.shape == (size, size, 3)
    assert scene.picture.dtype == np.uint8
    assert scene.mask.shape == (size, size)
    assert scene.mask.dtype == np.uint8


def test_labels_are_the_classes_in_the_mask(drawn: list[Scene]) -> None:
    for scene in drawn:
        in_mask = {NAMES[value - 1] for value in np.unique(scene.mask) if value}
        assert in_mask == {thing.name for thing in scene.objects}


def test_boxes_bound_the_mask(drawn: list[Scene]) -> None:
    checked = 0
    for scene in drawn:
        counts = Counter(thing.name for thing in scene.objects)
        for thing in scene.objects:
            if counts[thing.name] > 1:
                continue
            rows, columns = np.nonzero(scene.mask == NAMES.index(thing.name) + 1)
            assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            checked += 1
    assert checked > 300


def test_objects_of_classes_are_visible_and_neither_tiny_nor_huge(drawn: list[Scene]) -> None:
    pixels = 96 * 96
    for scene in drawn:
        counts = Counter(thing.name for thing in scene.objects)
        for thing in scene.objects:
            assert compose.VISIBLE <= thing.visible <= 1
            if counts[thing.name] == 1:
                whole = (scene.mask == NAMES.index(thing.name) + 1).sum() / thing.visible / pixels
                # The drawn area differs from the wanted one by the pixels of the outline.
                assert 0.9 * compose._CLASS_AREA[0] < whole < 1.1 * compose._CLASS_AREA[1]


def test_occlusion_occurs(drawn: list[Scene]) -> None:
    shares = np.array([thing.visible for scene in drawn for thing in scene.objects])
    assert 0.3 < (shares < 0.95).mean() < 0.8


def test_mask_is_where_the_object_was_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes are drawn again with everything white but the sprites of classes, each in a colour of its own."""
    monkeypatch.setattr(compose, "paint_backdrop", lambda size, palette, rng: np.ones((3, size, size), np.float32))
    monkeypatch.setattr(
        compose, "_light", lambda canvas, rng: (canvas * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()
    )
    make_sprite = compose._make_sprite

    def flat(name: str | None, *rest: object) -> compose._Sprite:
        sprite = make_sprite(name, *rest)  # type: ignore[arg-type]
        level = 0.0 if name is None else (NAMES.index(name) + 1) / 10
        return compose._Sprite(name, sprite.distance, np.full_like(sprite.paint, level))

    monkeypatch.setattr(compose, "_make_sprite", flat)
    monkeypatch.setattr(compose, "_paint", _paint_without_edges)
    for index in range(40):
        scene = draw_scene(11, index)
        level = np.rint(scene.picture[:, :, 0] / 25.5).astype(int)
        assert np.array_equal(np.where(level == 10, 0, level), scene.mask)


def _paint_without_edges(canvas: np.ndarray, sprite: compose._Sprite, left: int, top: int) -> None:
    size, side = canvas.shape[1], len(sprite.distance)
    for row in range(max(0, top), min(size, top + side)):
        for column in range(max(0, left), min(size, left + side)):
            if sprite.distance[row - top, column - left] < 0:
                canvas[:, row, column] = sprite.paint[:, row - top, column - left]


def test_pixels_outside_the_outline_and_its_shadow_do_not_change() -> None:
    canvas = np.full((3, 64, 64), 0.5, np.float32)
    y, x = np.mgrid[-20:20, -20:20].astype(np.float32) + 0.5
    distance = np.hypot(x, y) - 10
    compose._paint(canvas, compose._Sprite("a", distance, np.ones((3, 40, 40), np.float32)), 12, 12)
    y, x = np.mgrid[0:64, 0:64] + 0.5
    centre = np.hypot(x - 32, y - 32)
    assert (canvas[0][centre < 9.5] == 1).all()
    assert (canvas[0][centre > 14] == 0.5).all()


def test_every_class_is_about_as_frequent(drawn: list[Scene]) -> None:
    present = np.array([[name in {t.name for t in scene.objects} for name in NAMES] for scene in drawn])
    # About 1.7 of 6 classes per scene: 0.29 each, with a standard error of 0.026.
    assert (np.abs(present.mean(0) - 0.29) < 0.09).all()
    counts = np.bincount(present.sum(1), minlength=4) / len(drawn)
    assert len(counts) == 4
    assert 0.01 < counts[0] < 0.1
    assert counts[1:].min() > 0.1


def test_two_objects_of_one_class_occur(drawn: list[Scene]) -> None:
    twice = [max(Counter(t.name for t in s.objects).values(), default=0) == 2 for s in drawn]
    assert 0.04 < np.mean(twice) < 0.25


def test_neither_shape_nor_texture_tells_the_class() -> None:
    shapes, textures = Counter(s for s, _ in CLASSES.values()), Counter(t for _, t in CLASSES.values())
    assert set(shapes.values()) == set(textures.values()) == {2}
    assert len(set(CLASSES.values())) == len(CLASSES)
    # Each pair of a shape and a texture that is no class comes as a distractor.
    missing = {(s, t) for s in shapes for t in textures} - set(CLASSES.values())
    assert missing == set(compose._NEAR_MISSES)
    assert {s for s, _ in missing} == set(shapes)
    assert {t for _, t in missing} == set(textures)


def test_distractors_are_never_a_class() -> None:
    rng = np.random.default_rng(0)
    cast = [actor for _ in range(300) for actor in compose._cast(rng)]
    distractors = {(shape, texture) for name, shape, texture, _ in cast if name is None}
    assert not distractors & set(CLASSES.values())
    assert set(compose._NEAR_MISSES) <= distractors
    assert all(CLASSES[name] == (shape, texture) for name, shape, texture, _ in cast if name is not None)


@pytest.mark.parametrize("name", list(SHAPES))
def test_distances_of_shapes_are_distances(name: str) -> None:
    """|gradient| = 1 almost everywhere, negative at some point inside, positive on a circle outside."""
    step = 0.01
    y, x = np.mgrid[-1.5:1.5:step, -1.5:1.5:step].astype(np.float32)
    distance = SHAPES[name](x, y)
    assert distance.dtype == np.float32
    slopes = np.hypot(*np.gradient(distance, step))
    near = np.abs(distance) < 0.1
    assert np.median(slopes[near]) == pytest.approx(1, abs=0.02)
    assert (np.abs(slopes[near] - 1) < 0.1).mean() > 0.9
    assert (distance[np.hypot(x, y) > 1.15] > 0).all()


@pytest.mark.parametrize(
    ("name", "area"), [("pill", np.pi * 0.37**2 + 1.16 * 0.74), ("ring", np.pi * (0.97**2 - 0.37**2))]
)
def test_unit_area(name: str, area: float) -> None:
    assert unit_area(name) == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("name", list(TEXTURES))
def test_textures_are_coverages_of_about_half_at_most(name: str) -> None:
    v, u = np.mgrid[0:200, 0:200].astype(np.float32)
    ink = TEXTURES[name](u, v, 8.0)
    assert ink.min() == 0
    assert ink.max() <= 1
    expected = {"plain": 0, "dotted": 2 * np.pi * 0.31**2 / np.sqrt(3)}.get(name, 0.5)
    assert ink.mean() == pytest.approx(expected, abs=0.02)


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
    assert (written / "classes.txt").read_text().splitlines() == NAMES
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


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, 0, 47), "size=47"), ((-1, 0), "seed=-1"), ((0, -1), "index=-1")]
)
def test_bad_arguments_of_one_scene(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_scene(*arguments)
