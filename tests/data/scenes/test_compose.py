from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from explanans.data.scenes import CLASSES, Scene, compose, draw_scene
from explanans.errors import InputError

NAMES = list(CLASSES)


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    return [draw_scene(7, i) for i in range(300)]


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


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, 0, 47), "size=47"), ((-1, 0), "seed=-1"), ((0, -1), "index=-1")]
)
def test_bad_arguments_of_one_scene(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_scene(*arguments)
