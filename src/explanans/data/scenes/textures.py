"""Textures of the objects in generated scenes: how much of the second colour covers each pixel.

Every function takes coordinates u, v in pixels and the period in pixels, and returns the coverage in [0, 1] with edges
one pixel wide, so that nothing aliases.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explanans.data.scenes.shapes import Grid

Texture = Callable[[Grid, Grid, float], Grid]


def coverage(distance: Grid) -> Grid:
    """Signed distance in pixels (negative inside) → share of the pixel that is inside, edges one pixel wide."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


def _to_line(u: Grid, period: float) -> Grid:
    """Signed distance to the nearest of the lines that part the plane into bands of half a period."""
    phase = (u / np.float32(period)) % 1
    return (np.abs(phase - np.float32(0.5)) - np.float32(0.25)) * np.float32(period)


def plain(u: Grid, v: Grid, period: float) -> Grid:
    return np.zeros_like(u)


def striped(u: Grid, v: Grid, period: float) -> Grid:
    return coverage(_to_line(u, period))


def wavy(u: Grid, v: Grid, period: float) -> Grid:
    """Stripes that swing to and fro by half a period."""
    swing = np.sin(v * np.float32(2.4 / period)) * np.float32(period / 2)
    return coverage(_to_line(u + swing, period * 1.2))


def chequered(u: Grid, v: Grid, period: float) -> Grid:
    across, along = _to_line(u, period * 1.15), _to_line(v, period * 1.15)
    return coverage(np.minimum(np.abs(across), np.abs(along)) * np.sign(across) * np.sign(along))


def dotted(u: Grid, v: Grid, period: float) -> Grid:
    """Discs on a hexagonal lattice."""
    pitch, rise = np.float32(period * 1.1), np.float32(period * 1.1 * np.sqrt(3))

    def to_rectangular(shift: float) -> Grid:
        du = (u / pitch + np.float32(shift)) % 1 - np.float32(0.5)
        dv = (v / rise + np.float32(shift)) % 1 - np.float32(0.5)
        return np.hypot(du * pitch, dv * rise)

    return coverage(np.minimum(to_rectangular(0), to_rectangular(0.5)) - np.float32(0.31) * pitch)


TEXTURES: dict[str, Texture] = {
    "striped": striped,
    "dotted": dotted,
    "chequered": chequered,
    "wavy": wavy,
    "plain": plain,
}
