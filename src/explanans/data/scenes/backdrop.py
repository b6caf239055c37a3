"""What lies behind the objects: soft gradients, layered hills, textured patches, scattered marks. None has a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanans.data.scenes.palettes import Colour, Palette
from explanans.data.scenes.shapes import Grid
from explanans.data.scenes.textures import TEXTURES, coverage

Canvas = NDArray[np.float32]
"""(3, H, W), RGB about [0, 1]."""

_PATTERNS = ("striped", "dotted", "chequered", "wavy")


def blend(canvas: Canvas, colour: Colour | Canvas, alpha: Grid | float) -> None:
    """Paint a colour, (3,) or (3, H, W), over the canvas in place."""
    paint = colour[:, None, None] if colour.ndim == 1 else colour
    canvas += np.float32(alpha) * (paint - canvas) if isinstance(alpha, float) else alpha * (paint - canvas)


def pixel_grid(size: int) -> tuple[Grid, Grid]:
    """x and y of the pixel centres, each (size, size)."""
    centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return np.broadcast_to(centres, (size, size)), np.broadcast_to(centres[:, None], (size, size))


def ramp(x: Grid, y: Grid, size: int, angle: float) -> Grid:
    """Rises from about 0 to about 1 across the picture in a direction."""
    dx, dy = np.float32(np.cos(angle) / size), np.float32(np.sin(angle) / size)
    return (x - np.float32(size / 2)) * dx + (y - np.float32(size / 2)) * dy + np.float32(0.5)


def turn(x: Grid, y: Grid, angle: float) -> tuple[Grid, Grid]:
    """Coordinates in axes that are turned by an angle."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def paint_backdrop(size: int, palette: Palette, rng: np.random.Generator) -> Canvas:
    """A square background of ``size`` pixels, (3, size, size)."""
    x, y = pixel_grid(size)
    first, second = palette.ground
    across = np.clip(ramp(x, y, size, rng.uniform(0, 2 * np.pi)), 0, 1)
    canvas = first[:, None, None] + across * (second - first)[:, None, None]
    for _ in range(rng.integers(1, 4)):
        _glow(canvas, x, y, size, palette, rng)
    for _ in range(rng.integers(1, 4)):
        _hill(canvas, x, y, size, palette, rng)
    for _ in range(rng.choice(3, p=(0.35, 0.45, 0.2))):
        _patch(canvas, x, y, size, palette, rng)
    for _ in range(rng.integers(3, 10)):
        _mark(canvas, size, palette, rng)
    return canvas


def _glow(canvas: Canvas, x: Grid, y: Grid, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """A large disc with a firm or a dissolving edge."""
    cx, cy = rng.uniform(0, size, 2)
    radius = rng.uniform(0.15, 0.45) * size
    softness = rng.choice((1.0, 0.5 * radius))
    distance = np.hypot(x - np.float32(cx), y - np.float32(cy)) - np.float32(radius)
    alpha = coverage(distance / np.float32(softness)) * np.float32(rng.uniform(0.25, 0.6))
    blend(canvas, palette.tint(rng), alpha)


def _hill(canvas: Canvas, x: Grid, y: Grid, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """A wavy horizon at any angle; the colour thins out away from its edge."""
    u, v = turn(x - np.float32(size / 2), y - np.float32(size / 2), rng.uniform(0, 2 * np.pi))
    wave = np.sin(u * np.float32(2 * np.pi / (size * rng.uniform(0.5, 1.4))) + np.float32(rng.uniform(0, 6.3)))
    depth = v - np.float32(size * rng.uniform(0.0, 0.4)) - wave * np.float32(size * rng.uniform(0.03, 0.1))
    fade = np.clip(1 - depth / np.float32(0.6 * size), np.float32(0.35), 1)
    blend(canvas, palette.tint(rng), coverage(-depth) * fade * np.float32(rng.uniform(0.35, 0.8)))


def _patch(canvas: Canvas, x: Grid, y: Grid, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """A blob or a band with one of the textures that objects have."""
    cx, cy = rng.uniform(0.1, 0.9, 2) * size
    u, v = turn(x - np.float32(cx), y - np.float32(cy), rng.uniform(0, 2 * np.pi))
    thickness = np.float32(rng.uniform(0.07, 0.16) * size)
    if rng.random() < 0.5:
        outline = np.abs(v + np.sin(u * np.float32(4 / size)) * np.float32(0.08 * size)) - thickness
    else:
        angle = np.arctan2(v, u)
        bulge = 1 + np.float32(0.18) * np.sin(angle * rng.integers(2, 5) + np.float32(rng.uniform(0, 6.3)))
        outline = np.hypot(u, v) - np.float32(1.5) * thickness * bulge
    pattern = TEXTURES[_PATTERNS[rng.integers(len(_PATTERNS))]]
    base, other = palette.pair(rng)
    ink = pattern(*turn(x, y, rng.uniform(0, 2 * np.pi)), size * rng.uniform(0.055, 0.09))
    paint = base[:, None, None] + ink * (other - base)[:, None, None]
    blend(canvas, paint, coverage(outline) * np.float32(rng.uniform(0.3, 0.65)))


def _mark(canvas: Canvas, size: int, palette: Palette, rng: np.random.Generator) -> None:
    """A small dot or dash."""
    half = max(3, round(0.05 * size))
    left, top = rng.integers(0, size - 2 * half, 2)
    window = canvas[:, top : top + 2 * half, left : left + 2 * half]
    x, y = pixel_grid(2 * half)
    u, v = turn(x - half, y - half, rng.uniform(0, np.pi))
    length = np.float32(rng.choice((0.0, 0.025)) * size)
    outline = np.hypot(u - np.clip(u, -length, length), v) - np.float32(rng.uniform(0.008, 0.018) * size)
    blend(window, palette.tint(rng), coverage(outline) * np.float32(0.85))
