"""The page of a series: what was measured over time, with intervals, step by step, and the photos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from PIL import Image

from explanans.benchmark.report import page as pieces
from explanans.benchmark.report.svg import COLOURS, INK, drawing
from explanans.images.drawing import PALETTE, draw_rings
from explanans.images.reading import read_image
from explanans.ops.registration import seen
from explanans.pipelines.growth import ALIKE, CUTS, Photo, Series
from explanans.utils.files import atomic_file

PLOTTED = {"area": "area", "length": "length of all regions", "widest": "largest width"}

SIDE = 300
"""Pixels of a photo's width on the page."""


def write_page(series: Series, folder: Path) -> Path:
    """``growth-PLACE-CLASS.html``, which needs nothing but itself."""
    plain = re.sub(r"[^\w-]+", "_", f"{series.place}-{series.name}")[:100]
    path = folder / f"growth-{plain}.html"
    with atomic_file(path) as temporary:
        temporary.write_text(series_page(series), encoding="utf-8")
    return path


def series_page(series: Series) -> str:
    """The page as text."""
    title = f"{series.place}: {series.name}"
    first, last = series.photos[0], series.photos[-1]
    tiles = []
    for measure in ("area", "longest", "widest"):
        scale, unit = series.scale(measure)
        before, after = (scale * photo.found[measure] for photo in (first, last))
        tiles.append((f"{_number(before)} → {_number(after)} {unit}", measure))
    photos = [_shown(series, photo) for photo in series.photos]
    return pieces.page(
        title,
        pieces.heading(title, 1),
        pieces.paragraph(f"{len(series.photos)} photos, from {first.said} to {last.said}."),
        pieces.tiles(tiles),
        pieces.heading("Over time"),
        pieces.group("charts", [_plot(series, measure, text) for measure, text in PLOTTED.items()]),
        pieces.heading("Step by step"),
        _steps(series),
        pieces.paragraph(
            "From and to: growth with the cuts of the two photos moved independently, each by up to "
            f"{max(CUTS):g} around the masks' threshold. That is what may be the masks' doing, and no confidence "
            "interval. “grows” and “shrinks” are said where the whole range is on one side of 0."
        ),
        pieces.heading("Photos"),
        pieces.paragraph("What all of them show, moved over the first photo, with the outline of every region."),
        pieces.group("curves", photos),
        _matches(series),
    )


def _steps(series: Series) -> str:
    header = ("from", "to", "measure", "before", "after", "growth", "from", "to", "per time", "")
    rows = []
    for step in series.steps():
        unit = f" {step['unit']}" if step["unit"] else ""
        numbers = [_number(step[name]) for name in ("before", "after")]
        signed = [_number(step[name], sign=True) for name in ("growth", "low", "high")]
        numbers = [f"{each}{unit}" for each in numbers]
        rate = f"{_number(step['per_time'], sign=True)}{unit} / {step['per']}"
        rows.append([step["from"], step["to"], step["measure"], *numbers, *signed, rate, step["says"]])
    return pieces.table(header, rows)


def _plot(series: Series, measure: str, text: str) -> str:
    scale, unit = series.scale(measure)
    times = [date2num(photo.time) if isinstance(photo.time, datetime) else photo.time for photo in series.photos]
    values = [scale * photo.found[measure] for photo in series.photos]
    bounds = np.array([photo.bounds(measure) for photo in series.photos]).T * scale
    with drawing(f"{text} of {series.name} in {series.place} over time") as drawn:
        drawn.axes.fill_between(times, *bounds, color=COLOURS[4 % len(COLOURS)], alpha=0.25, linewidth=0)
        drawn.axes.plot(times, values, "o-", color=COLOURS[4 % len(COLOURS)])
        drawn.axes.set_ylim(0, 1.1 * max(float(bounds.max()), 1e-9))
        drawn.axes.set_ylabel(f"{text} ({unit})" if unit else text, color=INK)
        if isinstance(series.photos[0].time, datetime):
            locator = AutoDateLocator(minticks=3, maxticks=6)
            drawn.axes.xaxis.set_major_locator(locator)
            drawn.axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            drawn.axes.xaxis.get_offset_text().set_color(INK)
        else:
            drawn.axes.set_xlabel("time", color=INK)
    return pieces.figure(drawn.svg, f"{text[0].upper()}{text[1:]}; the band is what other cuts give.")


def _shown(series: Series, photo: Photo) -> str:
    rows, columns = seen(series.window, photo.shift)
    picture = read_image(photo.path).crop((columns.start, rows.start, columns.stop, rows.stop))
    scale = SIDE / picture.width
    shown = picture.resize((SIDE, max(1, round(picture.height * scale))), Image.Resampling.BICUBIC)
    rings = [ring * scale for region in photo.regions for part in region.polygons for ring in part]
    drawn = draw_rings(shown, rings, PALETTE[0], 2.0)
    found = photo.found
    area, unit = series.scale("area")
    caption = f"{photo.said}: {found['number']:.0f} regions, {_number(area * found['area'])} {unit}"
    return pieces.picture(drawn, caption, pieces.escape(caption), width=SIDE)


def _matches(series: Series) -> str:
    rows = [
        [
            photo.said,
            photo.path.name,
            f"{photo.shift.right:+.1f}",
            f"{photo.shift.down:+.1f}",
            f"{photo.shift.match:.2f}",
        ]
        for photo in series.photos
    ]
    table = pieces.table(("time", "photo", "shifted right (px)", "shifted down (px)", "match"), rows)
    unlike = [photo.said for photo in series.photos if photo.shift.match < ALIKE]
    note = f"Hardly alike, so that growth says little: {', '.join(unlike)}." if unlike else ""
    return pieces.details("How the photos lie on each other", table, open_=bool(unlike)) + (
        pieces.paragraph(note) if note else ""
    )


def _number(value: float, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{value:{plus},.0f}" if abs(value) >= 100 or value == int(value) else f"{value:{plus}.3g}"


def write_pages(series: Sequence[Series], folder: Path) -> list[Path]:
    return [write_page(each, folder) for each in series]
