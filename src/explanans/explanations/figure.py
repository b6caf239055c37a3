"""The figure of an explanation: the photo, then one picture per class with what the classifier says about its mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from explanans.images.drawing import Colour, contour, overlay, resize_mask

if TYPE_CHECKING:
    from explanans.explanations.class_explanation import ClassExplanation

PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 28, 30)
SOFT: Colour = (110, 110, 116)
TRACK: Colour = (232, 232, 236)

# Pixels. A photo is scaled to about this many pixels squared, so that large and tiny ones are equally legible.
PHOTO_SIDE, LONGEST, SHORTEST, NARROWEST = 400, 640, 16, 300
GAP, TITLE, TEXT, LINE = 24, 22, 15, 23


def figure(
    picture: Image.Image, classes: Sequence[ClassExplanation], title: str, notes: Sequence[str] = ()
) -> Image.Image:
    """Photo | class | class …, in rows, each above its caption, as an RGB picture.

    A class is the photo tinted by its mask, with the outline of the binarised mask; its caption has the class, its
    probability and the receipt.

    Args:
        picture: RGB, any size; it is scaled to the figure's size.
        classes: masks of any size, stretched over the photo.
        title, notes: the photo's caption: one line, and smaller lines below it.
    """
    size = panel_size(picture)
    photo = picture.resize(size, Image.Resampling.BICUBIC)
    width = max(size[0], NARROWEST)
    caption_lines = max([len(notes), *(6 * (each.receipt is not None) for each in classes)])
    height = size[1] + 16 + TITLE + 10 + caption_lines * LINE
    cells = 1 + len(classes)
    columns = min(cells, max(4, math.ceil(math.sqrt(cells))))
    rows = math.ceil(cells / columns)
    sheet = Image.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + GAP)), PAPER)
    for place in range(cells):
        left, top = GAP + place % columns * (width + GAP), GAP + place // columns * (height + GAP)
        pen = _Pen(sheet, left, top + size[1] + 16, width)
        if place == 0:
            sheet.paste(photo, (left, top))
            _write_photo_caption(pen, title, notes)
        else:
            found = classes[place - 1]
            sheet.paste(draw_class(photo, found), (left, top))
            _write_class_caption(pen, found)
    return sheet


def panel_size(picture: Image.Image) -> tuple[int, int]:
    """(width, height) of the photo in the figure.

    About the same area for all photos, in their own shape, but no side longer than LONGEST or shorter than SHORTEST.
    """
    scale = min(PHOTO_SIDE / math.sqrt(picture.width * picture.height), LONGEST / max(picture.size))
    return max(SHORTEST, round(picture.width * scale)), max(SHORTEST, round(picture.height * scale))


def describe_size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]} pixels"


def draw_class(photo: Image.Image, found: ClassExplanation) -> Image.Image:
    """The photo tinted by the mask of a class, with the outline of the binarised mask."""
    mask = resize_mask(found.input_mask, (photo.height, photo.width))
    tinted = overlay(photo, mask, found.colour, opacity=0.5)
    return contour(tinted, mask, found.colour, found.mask_threshold)


@cache
def text_font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """What figures are written in, in pixels."""
    # Matplotlib ships it; Pillow's own font knows ASCII alone, and classes have names in every language. It is found
    # without being imported, which takes a quarter of a second.
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'matplotlib', whose fonts the figure is written in")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size)


class _Pen:
    """Writes lines of text downwards in a column."""

    def __init__(self, sheet: Image.Image, left: int, top: int, width: int) -> None:
        self.draw = ImageDraw.Draw(sheet)
        self.left, self.top, self.width = left, top, width

    @property
    def right(self) -> int:
        return self.left + self.width

    def text(self, text: str, font: ImageFont.FreeTypeFont, colour: Colour, room: float | None = None) -> None:
        fitting = shorten(text, font, self.width if room is None else room)
        self.draw.text((self.left, self.top), fitting, colour, font, anchor="la")

    def number(self, text: str, font: ImageFont.FreeTypeFont, colour: Colour) -> None:
        self.draw.text((self.right, self.top), text, colour, font, anchor="ra")

    def down(self, pixels: int) -> None:
        self.top += pixels


def shorten(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """The longest beginning of ``text`` that fits into ``room`` pixels, with an ellipsis where something is cut."""
    text = " ".join(text.split())
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _write_photo_caption(pen: _Pen, title: str, notes: Sequence[str]) -> None:
    pen.text(title, text_font(TITLE - 4, bold=True), INK)
    pen.down(TITLE + 10)
    for note in notes:
        pen.text(note, text_font(TEXT), SOFT)
        pen.down(LINE)


def _write_class_caption(pen: _Pen, found: ClassExplanation) -> None:
    heading = text_font(TITLE - 4, bold=True)
    swatch = TITLE - 6
    pen.draw.rounded_rectangle((pen.left, pen.top + 1, pen.left + swatch, pen.top + 1 + swatch), 4, found.colour)
    pen.left, pen.width = pen.left + swatch + 10, pen.width - swatch - 10
    number = f"{found.probability:.2f}"
    pen.text(found.name, heading, INK, pen.width - heading.getlength(number) - 12)
    pen.number(number, heading, INK)
    pen.left, pen.width = pen.left - swatch - 10, pen.width + swatch + 10
    pen.down(TITLE + 10)
    receipt = found.receipt
    if receipt is None:
        return
    for label, value in (
        ("whole photo", receipt.whole),
        ("mask keeps", receipt.kept),
        ("mask removes", receipt.removed),
        ("elsewhere", receipt.elsewhere),
    ):
        _write_bar(pen, label, value, f"{value:.2f}", found.colour)
    _write_bar(pen, "mask's area", receipt.area, f"{receipt.area:.0%}", SOFT)
    pen.text(f"the mask {receipt.says}", text_font(TEXT, bold=True), INK)


def _write_bar(pen: _Pen, label: str, value: float, number: str, colour: Colour) -> None:
    font = text_font(TEXT)
    start, end = pen.left + 124, pen.right - 50
    pen.text(label, font, SOFT)
    pen.number(number, font, INK)
    middle = pen.top + TEXT // 2 + 1
    pen.draw.rounded_rectangle((start, middle - 4, end, middle + 4), 4, TRACK)
    if value >= 0.005:
        pen.draw.rounded_rectangle((start, middle - 4, start + max(8, value * (end - start)), middle + 4), 4, colour)
    pen.down(LINE)
