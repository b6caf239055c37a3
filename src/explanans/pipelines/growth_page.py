"""The page of a series: what was measured over time, with ranges, step by step, and the photos."""

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
from explanans.pipelines.growth_tables import decimals, steps_of, summary, written
from explanans.pipelines.series import CUTS, PIXEL, Photo, Series
from explanans.utils.files import atomic_file

NAMES = {
    "area": "area",
    "length": "length of all regions",
    "longest": "longest region",
    "widest": "largest width",
    "number": "number of regions",
}

ALIKE = 0.3
"""The least correlation of two photos that show the same place."""

SIDE = 560
"""Pixels of a photo's width on the page."""


def write_pages(series: Sequence[Series], folder: Path) -> list[Path]:
    """``growth-PLACE-CLASS.html`` of each, which needs nothing but itself."""
    paths: list[Path] = []
    for each in series:
        plain = re.sub(r"[^\w-]+", "_", f"{each.place}-{each.name}").encode()[:100].decode(errors="ignore")
        path = folder / f"growth-{plain}.html"
        # "A/1" and "A 1" are two places.
        path = path if path not in paths else folder / f"growth-{plain}-{len(paths) + 1}.html"
        with atomic_file(path) as temporary:
            temporary.write_text(series_page(each), encoding="utf-8")
        paths.append(path)
    return paths


def series_page(series: Series) -> str:
    """The page as text."""
    title = f"{series.place}: {series.name}"
    first, last = series.photos[0], series.photos[-1]
    plotted = [measure for measure in NAMES if measure != "number"]
    return pieces.page(
        title,
        pieces.heading(title, 1),
        pieces.paragraph(f"{len(series.photos)} photos, from {first.said} to {last.said}. {_scale(series)}"),
        *_warnings(series),
        pieces.tiles([_tile(series, measure) for measure in plotted]),
        pieces.heading("From the first photo to the last"),
        pieces.table(*summary(series, NAMES)),
        pieces.paragraph(
            "Range: the growth with the mask of each photo cut up to "
            f"{max(CUTS):g} above or below its threshold of {series.mask_threshold:g}, every size off by "
            f"{100 * series.tolerance:g} %, and lengths and widths by {PIXEL:g} pixel more. That is what may be the "
            "doing of masks and camera. It is no confidence interval: wet walls, shadows and focus are not in it. "
            "“grows” and “shrinks” are said where the whole range is on one side of 0."
        ),
        pieces.heading("Over time"),
        pieces.group("charts", [_plot(series, measure) for measure in plotted]),
        pieces.heading("Photos"),
        pieces.paragraph("What all of them show, moved over the first photo, with the outline of every region."),
        pieces.group("charts", [_shown(series, photo) for photo in series.photos]),
        _matches(series),
        pieces.heading("Step by step"),
        *(pieces.heading(_named(series, measure), 3) + pieces.table(*steps_of(series, measure)) for measure in NAMES),
    )


def _scale(series: Series) -> str:
    if series.mm_per_pixel is None:
        return "Sizes are in pixels of the photos, because no scale was given."
    return f"Sizes are in millimetres, at {series.mm_per_pixel:g} mm for each pixel."


def _warnings(series: Series) -> list[str]:
    """What a reader must know before the numbers."""
    found = []
    if unlike := [photo.said for photo in series.photos if photo.shift.match < ALIKE]:
        found.append(f"Hardly like the first photo, so that growth says little: {', '.join(unlike)}.")
    unseen = [photo for photo in series.photos if not photo.explained]
    if len(unseen) == len(series.photos):
        found.append(f"No photo shows {series.name} to the classifier, so that every number is 0.")
    elif unseen:
        listed = ", ".join(f"{photo.said} (probability {photo.probability:.2f})" for photo in unseen)
        found.append(f"Not seen by the classifier, and 0 for that reason: {listed}.")
    if weak := [f"{photo.said} ({photo.word})" for photo in series.photos if photo.word not in (None, "holds")]:
        found.append(f"Masks that do not hold, by their receipts: {', '.join(weak)}. Look at these photos yourself.")
    return [pieces.paragraph(text, "warning") for text in found]


def _named(series: Series, measure: str) -> str:
    unit = series.scale(measure)[1]
    name = NAMES[measure][0].upper() + NAMES[measure][1:]
    return f"{name} ({unit})" if unit else name


def _tile(series: Series, measure: str) -> tuple[str, str]:
    scale, unit = series.scale(measure)
    places = decimals(series, measure)
    ends = (written(scale * photo.found[measure], places) for photo in (series.photos[0], series.photos[-1]))
    return " → ".join(ends), f"{NAMES[measure]}, {unit}"


def _plot(series: Series, measure: str) -> str:
    scale, _ = series.scale(measure)
    named = _named(series, measure)
    times = [date2num(photo.time) if isinstance(photo.time, datetime) else photo.time for photo in series.photos]
    values = [scale * photo.found[measure] for photo in series.photos]
    bounds = np.array([photo.bounds(measure) for photo in series.photos]).T * scale
    colour = COLOURS[4 % len(COLOURS)]
    with drawing(f"{NAMES[measure]} of {series.name} in {series.place} over time") as drawn:
        drawn.axes.fill_between(times, *bounds, color=colour, alpha=0.25, linewidth=0)
        drawn.axes.plot(times, values, "o-", color=colour)
        # Where nothing is found there is no scale to show.
        top = float(bounds.max())
        drawn.axes.set_ylim(0, 1.1 * top or 1)
        drawn.axes.set_ylabel(named, color=INK)
        if isinstance(series.photos[0].time, datetime):
            locator = AutoDateLocator(minticks=3, maxticks=6)
            drawn.axes.xaxis.set_major_locator(locator)
            drawn.axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            drawn.axes.xaxis.get_offset_text().set_color(INK)
        else:
            drawn.axes.set_xlabel("time", color=INK)
    return pieces.figure(drawn.svg, f"{named}. Band: with the mask cut up to {max(CUTS):g} higher or lower.")


def _shown(series: Series, photo: Photo) -> str:
    rows, columns = seen(series.window, photo.shift)
    picture = read_image(photo.path).crop((columns.start, rows.start, columns.stop, rows.stop))
    scale = SIDE / picture.width
    shown = picture.resize((SIDE, max(1, round(picture.height * scale))), Image.Resampling.BICUBIC)
    rings = [ring * scale for region in photo.regions for part in region.polygons for ring in part]
    drawn = draw_rings(shown, rings, PALETTE[0], 1.6)
    area, unit = series.scale("area")
    number = round(photo.found["number"])
    regions = f"{number} region" if number == 1 else f"{number} regions"
    size = f"{written(area * photo.found['area'], decimals(series, 'area'))} {unit}"
    found = f"{regions}, {size}" if photo.explained else "not seen"
    receipt = "" if photo.word is None else f", receipt {photo.word}"
    caption = f"{photo.said}: {found} (probability {photo.probability:.2f}{receipt})"
    return pieces.picture(drawn, caption, pieces.escape(caption), width=SIDE)


def _matches(series: Series) -> str:
    rows = [
        [
            photo.said,
            photo.path.name,
            written(photo.shift.right, 1, sign=True),
            written(photo.shift.down, 1, sign=True),
            f"{photo.shift.match:.2f}",
        ]
        for photo in series.photos
    ]
    header = ("time", "photo", "shifted right (px)", "shifted down (px)", "correlation with the first")
    alike = all(photo.shift.match >= ALIKE for photo in series.photos)
    return pieces.details("How the photos lie on each other", pieces.table(header, rows), open_=not alike)
