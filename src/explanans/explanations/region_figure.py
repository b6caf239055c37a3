"""A picture of regions: outlines and numbers on the photo, and beside it what was measured of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from explanans.explanations.figure import GAP, INK, PAPER, SOFT, TEXT, shorten, text_font
from explanans.explanations.region import Region
from explanans.images.drawing import HALO, colour_of, draw_rings

LEAST, SIDE = 640, 1100
"""Pixels of the longer side of the photo, at least and at most."""

LINE_WIDTH = 2.0

LISTED, LINE = 20, 24
"""Regions that are listed beside it, and pixels from one line to the next."""

NUMBERED = 60
"""Regions that have their numbers on the photo; on more they would hide it."""


def region_figure(
    picture: Image.Image, regions: Sequence[Region], title: str, size: tuple[int, int] | None = None
) -> Image.Image:
    """The photo, scaled, with the outline of every region, and a list; RGB.

    ``size`` are width and height of the photo that the regions are on, where ``picture`` is a smaller one of it.
    """
    wide, high = size or picture.size
    scale = min(max(wide, high, LEAST), SIDE) / max(wide, high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    photo = picture.resize(size, Image.Resampling.BICUBIC)
    for index in dict.fromkeys(region.index for region in regions):
        rings = [ring * scale for each in regions if each.index == index for part in each.polygons for ring in part]
        photo = draw_rings(photo, rings, colour_of(index), LINE_WIDTH)
    pen = ImageDraw.Draw(photo)
    for region in regions:
        for path in region.line:
            pen.line([(x * scale, y * scale) for x, y in path.tolist()], fill=colour_of(region.index), width=1)
    for region in regions[:NUMBERED]:
        _write_number(pen, region, scale, photo.size)
    return _with_list(photo, regions, title)


def measures(region: Region) -> list[str]:
    """What is written of a region: area, length, mean and largest width, kept."""
    scale, unit = (1.0, "px") if region.mm_per_pixel is None else (region.mm_per_pixel, "mm")
    sizes = [f"{_short(region.fine_area * scale**2)} {unit}²"]
    sizes += [f"{_short(value * scale)} {unit}" for value in (region.length, region.mean_width, region.largest_width)]
    return [*sizes, "" if region.receipt is None else f"{region.receipt.kept:.2f}"]


HEADER = ("", "area", "length", "mean width", "largest", "kept")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _write_number(pen: ImageDraw.ImageDraw, region: Region, scale: float, size: tuple[int, int]) -> None:
    """Beside the region, where it is highest, and never over the photo's edge."""
    font = text_font(TEXT, bold=True)
    text = f"{region.number}"
    column = float(np.nonzero(region.inside[0])[0].mean()) + 0.5
    x, y = (region.box[0] + column) * scale, region.box[1] * scale - 4
    wide = font.getlength(text) / 2 + 3
    x, y = min(max(x, wide), size[0] - wide), max(y, TEXT + 4)
    pen.text((x, y), text, colour_of(region.index), font, anchor="ms", stroke_width=2, stroke_fill=HALO)


def _with_list(photo: Image.Image, regions: Sequence[Region], title: str) -> Image.Image:
    rows = [[f"{region.name} {region.number}", *measures(region)] for region in regions[:LISTED]]
    font, bold = text_font(TEXT), text_font(TEXT, bold=True)
    widths = [max((font.getlength(cell) for cell in column), default=0) for column in zip(HEADER, *rows, strict=True)]
    widths[0] = min(max(widths[0], 120), 240)
    spaced = [width + 20 for width in widths]
    lines = 2 + len(rows) + (len(regions) > LISTED) + (not regions)
    sheet = Image.new(
        "RGB",
        (photo.width + 3 * GAP + int(sum(spaced)), max(photo.height, lines * LINE) + 2 * GAP),
        PAPER,
    )
    sheet.paste(photo, (GAP, GAP))
    pen = ImageDraw.Draw(sheet)
    left, top = photo.width + 2 * GAP, GAP
    pen.text((left, top), shorten(title, bold, sum(spaced)), INK, bold)
    for place, cells in enumerate([HEADER, *rows], 1):
        edge = float(left)
        for column, (cell, room) in enumerate(zip(cells, spaced, strict=True)):
            y = top + place * LINE
            if column == 0 and place > 1:
                colour = colour_of(regions[place - 2].index)
                pen.rounded_rectangle((edge, y + 3, edge + 10, y + 13), 3, colour)
                pen.text((edge + 16, y), shorten(cell, font, widths[0] - 4), INK, font)
            elif column:
                pen.text((edge + room, y), cell, SOFT if place == 1 else INK, font, anchor="ra")
            edge += room
    below = top + (len(rows) + 2) * LINE
    if len(regions) > LISTED:
        pen.text((left, below), f"… and {len(regions) - LISTED} smaller ones", SOFT, font)
    elif not regions:
        pen.text((left, below), "no region", SOFT, font)
    return sheet
