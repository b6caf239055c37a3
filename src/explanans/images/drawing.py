"""Masks on photos: tint, outline and cut-out, each a pure function of a picture and a mask."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from contourpy import contour_generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch.nn import functional

from explanans.errors import InputError

Colour = tuple[int, int, int]
Mask = NDArray[np.float32]

# Okabe & Ito 2008, told apart by people with any colour vision; without black, which no photo lacks.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# Of a turn; its multiples never come close to each other.
GOLDEN = 0.381966
SATURATION = 0.85
LUMA = (0.299, 0.587, 0.114)
LUMAS = (0.3, 0.65, 0.47)
HALO: Colour = (16, 16, 16)
# Lines are drawn on a larger canvas and shrunk; beyond this many pixels the canvas is not enlarged.
CANVAS_PIXELS = 48_000_000


def colour_of(index: int) -> Colour:
    """The colour of a class: always the same for the same index, and another for every other one.

    The palette for the first; then hues at the golden angle, of three lumas (ITU-R 601-2) in turn, because people who
    do not tell two hues apart see that one is darker.
    """
    if index < len(PALETTE):
        return PALETTE[index]
    step = index - len(PALETTE)
    pure = colorsys.hls_to_rgb(step * GOLDEN % 1, 0.5, SATURATION)
    luma = sum(weight * part for weight, part in zip(LUMA, pure, strict=True))
    wanted = LUMAS[step % len(LUMAS)]
    if wanted < luma:
        red, green, blue = (round(255 * part * wanted / luma) for part in pure)
    else:
        white = (wanted - luma) / (1 - luma)
        red, green, blue = (round(255 * (part + white * (1 - part))) for part in pure)
    return red, green, blue


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Mask (h, w) → (H, W) = ``size``, bilinear, antialiased where it shrinks; stays in [0, 1]."""
    if mask.shape == tuple(size):
        return mask
    values = torch.from_numpy(mask)[None, None]
    return functional.interpolate(values, size, mode="bilinear", antialias=True)[0, 0].clamp_(0, 1).numpy()


def to_grey(mask: Mask, scale: float = 1) -> Image.Image:
    """Mask (H, W) in [0, 1] → 8-bit greyscale picture, 255 · scale · mask rounded."""
    return Image.fromarray(np.rint(mask * np.float32(255 * scale)).astype(np.uint8))


def overlay(picture: Image.Image, mask: Mask, colour: Colour, opacity: float = 0.6) -> Image.Image:
    """photo · (1 − opacity · mask) + colour · opacity · mask.

    Args:
        picture: RGB, W × H.
        mask: (H, W) in [0, 1].
        opacity: of the colour where the mask is 1, in [0, 1].
    """
    check_size(picture, mask)
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity={opacity} must lie in [0, 1].")
    return Image.composite(Image.new("RGB", picture.size, colour), picture, to_grey(mask, opacity))


def cutout(picture: Image.Image, mask: Mask) -> Image.Image:
    """RGBA: the photo with the mask as its alpha channel, 0 transparent and 1 opaque."""
    check_size(picture, mask)
    cut = picture.convert("RGB")
    cut.putalpha(to_grey(mask))
    return cut


def contour(
    picture: Image.Image, mask: Mask, colour: Colour, threshold: float = 0.5, width: float | None = None
) -> Image.Image:
    """The outline of {mask ≥ threshold}, antialiased, with a dark halo so that it shows on any photo.

    Args:
        picture: RGB, W × H.
        mask: (H, W) in [0, 1]; where it reaches the picture's edge, the outline runs along the edge.
        width: of the coloured line in pixels; the halo adds as much again. None takes 0.6 % of the shorter side, at
            least 1.5.
    """
    check_size(picture, mask)
    width = max(1.5, 0.006 * min(picture.size)) if width is None else width
    return draw_rings(picture, _outlines(mask, threshold), colour, width)


def draw_rings(picture: Image.Image, lines: Sequence[NDArray[np.float64]], colour: Colour, width: float) -> Image.Image:
    """Closed polygons (K, 2) on a picture, antialiased, with a dark halo.

    Args:
        lines: of x, y in pixels from the picture's upper left corner.
        width: of the coloured line in pixels; the halo adds as much again.
    """
    scale = max(1, min(4, int((CANVAS_PIXELS / (picture.width * picture.height)) ** 0.5)))
    drawn = picture
    for ink, breadth in ((HALO, 2 * width), (colour, width)):
        canvas = Image.new("L", (scale * picture.width, scale * picture.height))
        pen = ImageDraw.Draw(canvas)
        for line in lines:
            _draw_closed(pen, line * scale - 0.5, breadth * scale)
        alpha = canvas if scale == 1 else canvas.reduce(scale)
        drawn = Image.composite(Image.new("RGB", picture.size, ink), drawn, alpha)
    return drawn


def check_size(picture: Image.Image, mask: Mask) -> None:
    """
    Raises:
        InputError: no picture of PIL, no array, or another size.
    """
    if not isinstance(picture, Image.Image) or not isinstance(mask, np.ndarray):
        raise InputError(
            f"picture is a {type(picture).__name__} and mask a {type(mask).__name__}; give a picture of PIL "
            "(explanans.images.reading.read_image makes one of a tensor) and a NumPy array (H, W): mask.cpu().numpy()."
        )
    if mask.shape != (picture.height, picture.width):
        raise InputError(
            f"mask has shape {mask.shape} for a picture of height {picture.height} and width {picture.width}; "
            "resize it with resize_mask first."
        )


def _outlines(mask: Mask, threshold: float) -> list[NDArray[np.float64]]:
    """Closed polygons (K, 2) of x, y in pixels from the picture's upper left corner."""
    # contourpy wants values strictly above the level inside; the rim of zeros closes outlines at the edge.
    generator = contour_generator(z=np.pad(mask, 1))
    lines = cast(list[NDArray[np.float64]], generator.lines(threshold - 1e-6))
    return [line - 0.5 for line in lines]


def _draw_closed(pen: ImageDraw.ImageDraw, points: NDArray[np.float64], width: float) -> None:
    """Draw a closed polygon with a round pen; whole numbers are the centres of pixels."""
    # Steps far below the pen's width add nothing but rounding errors.
    along = np.cumsum(np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T))
    _, kept = np.unique(along // max(width / 4, 1e-3), return_index=True)
    radius = width / 2
    path = [(x, y) for x, y in points[kept].tolist()]
    pen.line([*path, path[0]], fill=255, width=max(1, round(width)))
    for x, y in path:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
