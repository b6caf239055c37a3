"""Generated scenes: pictures of textured objects with exact masks, a pure function of (seed, index).

The class of an object is a pair of shape and texture. Every shape and every texture occurs in two classes and in
distractors that belong to the background, so neither alone tells the class; colour, size, turn and place tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.data.scenes.backdrop import Canvas, blend, paint_backdrop, pixel_grid, ramp, turn
from explanans.data.scenes.palettes import Palette
from explanans.data.scenes.shapes import SHAPES, Grid, unit_area
from explanans.data.scenes.textures import TEXTURES, coverage
from explanans.errors import InputError

CLASSES: dict[str, tuple[str, str]] = {
    "striped star": ("star", "striped"),
    "dotted star": ("star", "dotted"),
    "dotted ring": ("ring", "dotted"),
    "chequered ring": ("ring", "chequered"),
    "chequered moon": ("moon", "chequered"),
    "striped moon": ("moon", "striped"),
}
"""Class name → (shape, texture). The mask value of a class is its place in this order, from 1."""

MINIMUM_SIZE = 48
VISIBLE = 0.65
"""Share of an object of a class that is never hidden."""

_CLASS_SHAPES = ("star", "ring", "moon")
_OTHER_SHAPES = ("box", "triangle", "leaf", "pill")
_CLASS_TEXTURES = ("striped", "dotted", "chequered")
_NEAR_MISSES = tuple((s, t) for s in _CLASS_SHAPES for t in _CLASS_TEXTURES if (s, t) not in CLASSES.values())

_CLASS_COUNTS = (0.05, 0.35, 0.38, 0.22)  # shares of scenes with 0, 1, 2, 3 classes
_SECOND_OBJECT = 0.15
_CLASS_AREA = (0.05, 0.22)
_DISTRACTOR_AREA = (0.025, 0.10)
_DISTRACTORS = (1, 4)
_DISTRACTOR_VISIBLE = 0.3
_PLACES_TRIED = 12
_RIM = 0.016


@dataclass(frozen=True)
class SceneObject:
    """An object of a class in a scene.

    Attributes:
        name: its class.
        box: left, top, right, bottom of what is visible, in pixels from 0, right and bottom exclusive.
        visible: visible share of the whole object, at least ``VISIBLE``; what the border cuts off counts as hidden.
    """

    name: str
    box: tuple[int, int, int, int]
    visible: float


@dataclass(frozen=True)
class Scene:
    """A picture uint8 (H, W, 3), its mask uint8 (H, W) (0 background, c + 1 = class c) and the objects in it."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True)
class _Sprite:
    """An object before it has a place: its square patch of distances and its two-coloured paint."""

    name: str | None
    distance: Grid
    paint: Canvas

    @property
    def inside(self) -> NDArray[np.bool_]:
        return self.distance < 0


def check_size(size: int) -> None:
    """Refuse a size at which textures cannot be told from each other."""
    if size < MINIMUM_SIZE:
        raise InputError(f"size={size}: textures need scenes of at least {MINIMUM_SIZE} pixels; give a larger size.")


def draw_scene(seed: int, index: int, size: int = 96) -> Scene:
    """Draw one scene; the same arguments give the same bytes.

    Objects are placed from front to back and each is kept only where enough of it is visible beside those in front,
    so that every label is fair; they are then painted from back to front.

    Args:
        seed: which world of scenes, 0 or above.
        index: which scene of it, 0 or above.
        size: height and width in pixels, at least 48.
    """
    check_size(size)
    if seed < 0 or index < 0:
        raise InputError(f"seed={seed}, index={index}: both must be 0 or above.")
    rng = np.random.default_rng((seed, index))
    palette = Palette.draw(rng)
    canvas = paint_backdrop(size, palette, rng)
    mask = np.zeros((size, size), dtype=np.uint8)
    taken = np.zeros((size, size), dtype=np.bool_)
    names = list(CLASSES)
    placed: list[tuple[_Sprite, int, int]] = []
    objects: list[SceneObject] = []
    for name, shape, texture, area in _cast(rng):
        sprite = _make_sprite(name, shape, texture, area, size, palette, rng)
        place = _find_place(sprite, taken, rng)
        if place is None:
            continue
        left, top, visible = place
        window, patch = _overlap(left, top, len(sprite.distance), size)
        seen = sprite.inside[patch] & ~taken[window]
        taken[window] |= sprite.inside[patch]
        placed.append((sprite, left, top))
        if name is not None:
            mask[window][seen] = names.index(name) + 1
            objects.append(SceneObject(name, _bounding_box(seen, window), visible))
    for sprite, left, top in reversed(placed):
        _paint(canvas, sprite, left, top)
    return Scene(_light(canvas, rng), mask, tuple(objects))


def _cast(rng: np.random.Generator) -> list[tuple[str | None, str, str, float]]:
    """Who plays: (class name or None, shape, texture, share of the picture), in random order."""
    chosen = rng.permutation(len(CLASSES))[: rng.choice(len(_CLASS_COUNTS), p=_CLASS_COUNTS)]
    names = [list(CLASSES)[c] for c in chosen]
    if names and rng.random() < _SECOND_OBJECT:
        names.append(names[0])
    largest = _CLASS_AREA[1] if len(names) < 3 else 0.65 * _CLASS_AREA[1]
    cast: list[tuple[str | None, str, str, float]] = [
        (name, *CLASSES[name], _log_uniform(rng, _CLASS_AREA[0], largest)) for name in names
    ]
    for _ in range(rng.integers(*_DISTRACTORS)):
        kind = rng.random()
        if kind < 0.35:
            pair = _NEAR_MISSES[rng.integers(len(_NEAR_MISSES))]
        elif kind < 0.6:
            pair = (str(rng.choice(_CLASS_SHAPES)), str(rng.choice(("plain", "wavy"))))
        else:
            pair = (str(rng.choice(_OTHER_SHAPES)), str(rng.choice((*_CLASS_TEXTURES, "plain"))))
        cast.append((None, *pair, _log_uniform(rng, *_DISTRACTOR_AREA)))
    return [cast[i] for i in rng.permutation(len(cast))]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _make_sprite(
    name: str | None, shape: str, texture: str, area: float, size: int, palette: Palette, rng: np.random.Generator
) -> _Sprite:
    radius = size * float(np.sqrt(area / unit_area(shape)))
    half = int(np.ceil(1.15 * radius)) + 2
    x, y = pixel_grid(2 * half)
    # A shift below one pixel, since places are whole pixels.
    x, y = x - np.float32(half + rng.uniform(-0.5, 0.5)), y - np.float32(half + rng.uniform(-0.5, 0.5))
    u, v = turn(x, y, rng.uniform(0, 2 * np.pi))
    distance = SHAPES[shape](u / np.float32(radius), v / np.float32(radius)) * np.float32(radius)
    # The texture grows with the object, but slower: small objects keep a pattern that can be told.
    period = size * rng.uniform(0.06, 0.075) * (area / 0.08) ** 0.2
    offset = rng.uniform(0, period, 2).astype(np.float32)
    s, t = turn(x + offset[0], y + offset[1], rng.uniform(0, 2 * np.pi))
    base, other = palette.pair(rng)
    # A rim of the base colour sets the object off from what lies behind it.
    ink = TEXTURES[texture](s, t, period) * coverage(distance + np.float32(_RIM * size))
    paint = base[:, None, None] + ink * (other - base)[:, None, None]
    paint *= 1 + np.float32(0.14) * (ramp(x, y, 2 * half, rng.uniform(0, 2 * np.pi)))
    return _Sprite(name, distance, paint)


def _overlap(left: int, top: int, side: int, size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a square patch lies on the canvas, and the part of the patch that does."""
    rows = slice(max(top, 0), min(top + side, size))
    columns = slice(max(left, 0), min(left + side, size))
    return (rows, columns), (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )


def _find_place(sprite: _Sprite, taken: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int, float] | None:
    """Left, top and visible share of the first drawn place that shows enough of the object; None if all fail."""
    size, side = len(taken), len(sprite.distance)
    inside = sprite.inside
    area = int(inside.sum())
    wanted = _DISTRACTOR_VISIBLE if sprite.name is None else VISIBLE
    for cx, cy in rng.uniform(0.08 * size, 0.92 * size, (_PLACES_TRIED, 2)):
        left, top = int(cx) - side // 2, int(cy) - side // 2
        window, patch = _overlap(left, top, side, size)
        visible = int((inside[patch] & ~taken[window]).sum()) / area
        if visible >= wanted:
            return left, top, visible
    return None


def _bounding_box(seen: NDArray[np.bool_], window: tuple[slice, slice]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    top, left = window[0].start, window[1].start
    return int(left + columns[0]), int(top + rows[0]), int(left + columns[-1] + 1), int(top + rows[-1] + 1)


def _paint(canvas: Canvas, sprite: _Sprite, left: int, top: int) -> None:
    """Paint a soft shadow, a little below, and then the object."""
    size, side = canvas.shape[1], len(sprite.distance)
    drop, blur = max(1, round(0.015 * size)), np.float32(0.03 * size)
    window, patch = _overlap(left, top + drop, side, size)
    shadow = np.clip(np.float32(0.5) - sprite.distance[patch] / blur, 0, 1) * np.float32(0.3)
    canvas[(slice(None), *window)] *= 1 - shadow
    window, patch = _overlap(left, top, side, size)
    blend(canvas[(slice(None), *window)], sprite.paint[(slice(None), *patch)], coverage(sprite.distance[patch]))


def _light(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light that falls off amoon the picture, a little noise, and 8 bits; (3, H, W) → (H, W, 3)."""
    size = canvas.shape[1]
    x, y = pixel_grid(size)
    canvas *= np.float32(0.84) + np.float32(0.26) * ramp(x, y, size, rng.uniform(0, 2 * np.pi))
    canvas += rng.standard_normal((1, size, size), dtype=np.float32) * np.float32(rng.uniform(0.003, 0.012))
    return np.ascontiguousarray((np.clip(canvas, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))
