"""How it grows: photos of the same place at several times, brought into line, measured in what all of them show."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from explanans.deploy.batch.explained import read_index
from explanans.deploy.batch.folders import folder_name
from explanans.errors import InputError
from explanans.explanations.explanation import RECORD, RESULT
from explanans.explanations.region import Region, RegionSettings, find_regions
from explanans.explanations.region_files import row
from explanans.images.listing import list_items
from explanans.images.reading import read_image
from explanans.ops.registration import Shift, common_window, find_shift, seen
from explanans.pipelines.severity_table import sums
from explanans.utils.read_table import read_table
from explanans.utils.records import read_json

CUTS = (-0.1, -0.05, 0.0, 0.05, 0.1)
"""Added to the threshold, in each photo by itself, to see how much a measure depends on it."""

MEASURES = ("area", "length", "longest", "widest", "number")

ALIKE = 0.3
"""The least correlation of two photos that show the same place."""

STEPS = pa.schema(
    [
        *((name, pa.string()) for name in ("place", "class", "measure", "unit", "from", "to")),
        *((name, pa.float64()) for name in ("before", "after", "growth", "low", "high", "per_time")),
        *(("per", pa.string()), ("says", pa.string())),
    ]
)

Time = datetime | float


@dataclass(frozen=True)
class Photo:
    """One photo of a series.

    Attributes:
        path: its file.
        time: as in the table; ``said`` is how it is written there.
        shift: against the first photo of the place.
        regions: at the threshold itself, in what all photos show.
        measures: of each cut (:data:`CUTS`), by name; in pixels.
    """

    path: Path
    time: Time
    said: str
    shift: Shift
    regions: tuple[Region, ...]
    measures: tuple[Mapping[str, float], ...]

    @property
    def found(self) -> Mapping[str, float]:
        """At the threshold itself."""
        return self.measures[CUTS.index(0.0)]

    def bounds(self, measure: str) -> tuple[float, float]:
        """The lowest and the highest over the cuts."""
        values = [each[measure] for each in self.measures]
        return min(values), max(values)


@dataclass(frozen=True)
class Series:
    """The photos of one place in the order of their times, and one class in them.

    Attributes:
        window: top, bottom, left, right of what all of them show, in the first one's pixels.
        mm_per_pixel: the scale, or None.
    """

    place: str
    name: str
    photos: tuple[Photo, ...]
    window: tuple[int, int, int, int]
    mm_per_pixel: float | None

    def scale(self, measure: str) -> tuple[float, str]:
        """What a measure in pixels is multiplied with, and its unit then."""
        unit = "px" if self.mm_per_pixel is None else "mm"
        if measure == "number":
            return 1.0, ""
        each = self.mm_per_pixel or 1.0
        return (each**2, f"{unit}²") if measure == "area" else (each, unit)

    def steps(self) -> list[dict[str, Any]]:
        """A row of :data:`STEPS` for each measure and each two photos that follow each other.

        ``low`` and ``high`` are the lowest and the highest growth with the cuts of the two photos moved independently
        of each other over :data:`CUTS`: how much of the growth may be the masks'. They are no confidence interval. It
        "grows" where even the lowest is above 0, "shrinks" where even the highest is below, and is "unsure" otherwise.
        """
        rows = []
        for before, after in itertools.pairwise(self.photos):
            for measure in MEASURES:
                scale, unit = self.scale(measure)
                (low_before, high_before), (low_after, high_after) = before.bounds(measure), after.bounds(measure)
                growth = scale * (after.found[measure] - before.found[measure])
                low, high = scale * (low_after - high_before), scale * (high_after - low_before)
                passed, per = _passed(before.time, after.time)
                rows.append(
                    {
                        "place": self.place,
                        "class": self.name,
                        "measure": measure,
                        "unit": unit,
                        "from": before.said,
                        "to": after.said,
                        "before": scale * before.found[measure],
                        "after": scale * after.found[measure],
                        "growth": growth,
                        "low": low,
                        "high": high,
                        "per_time": growth / passed,
                        "per": per,
                        "says": "grows" if low > 0 else "shrinks" if high < 0 else "unsure",
                    }
                )
        return rows


def read_series(
    explanations: str | Path, table: str | Path, classes: Sequence[str], place: str = "place", time: str = "time"
) -> list[Series]:
    """Measure the series of a table, place by place and class by class.

    Args:
        explanations: a folder that ``explanans explain --regions`` wrote of the photos.
        table: .csv or .parquet, with a column of pictures (image or path) and those that ``place`` and ``time`` name;
            times are numbers or dates as in ISO 8601 (2026-11-29, 2026-11-29T22:00).
        classes: names.

    Raises:
        InputError: a column that is missing, a time that is none or is there twice, a place with one photo, photos that
            are not explained or of several sizes, or that share nothing.
    """
    options = read_index(explanations)["settings"]["options"]
    settings, threshold = RegionSettings(**options["regions"]), options["mask_threshold"]
    rows = read_table(table)
    if lacking := [name for name in (place, time) if name not in rows.column_names]:
        raise InputError(
            f"series {table} has no column {lacking[0]!r}; its columns are {', '.join(rows.column_names)}. It needs a "
            "picture, a place and a time in each row; place and time name other columns."
        )
    found: dict[str, list[tuple[Time, str, Path]]] = {}
    said_of = zip(rows[place].to_pylist(), rows[time].to_pylist(), list_items([table]), strict=True)
    for where, said, item in said_of:
        found.setdefault(str(where), []).append((_time(said, table), str(said), Path(item.path)))
    return [
        _measured(Path(explanations), where, name, _in_order(where, photos), settings, threshold)
        for where, photos in found.items()
        for name in classes
    ]


def _in_order(place: str, photos: list[tuple[Time, str, Path]]) -> list[tuple[Time, str, Path]]:
    if len(photos) < 2:
        raise InputError(f"place {place!r} has one photo; a series has at least two.")
    kinds = {isinstance(each[0], datetime) for each in photos}
    if len(kinds) > 1:
        raise InputError(f"place {place!r} has times of which some are dates and some are numbers; write all alike.")
    ordered = sorted(photos, key=lambda each: each[0])
    for before, after in itertools.pairwise(ordered):
        if before[0] == after[0]:
            raise InputError(f"place {place!r} has two photos of the time {after[1]}; leave one of them out.")
    return ordered


def _time(said: Any, table: str | Path) -> Time:
    text = str(said).strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(f"series {table}: time {text!r} is neither a number nor a date such as 2026-11-29.") from error


def _passed(before: Time, after: Time) -> tuple[float, str]:
    if isinstance(before, datetime) and isinstance(after, datetime):
        return (after - before) / timedelta(days=1), "day"
    return float(after) - float(before), "unit of time"  # type: ignore[arg-type]


def _measured(
    folder: Path,
    place: str,
    name: str,
    photos: list[tuple[Time, str, Path]],
    settings: RegionSettings,
    threshold: float,
) -> Series:
    greys = [np.asarray(read_image(path).convert("L"), np.float32) for _, _, path in photos]
    if len(shapes := {grey.shape for grey in greys}) > 1:
        sizes = ", ".join(f"{width} × {height}" for height, width in sorted(shapes))
        raise InputError(f"place {place!r} has photos of several sizes ({sizes}); crop or resize them to one.")
    shifts = [Shift(), *(find_shift(greys[0], grey) for grey in greys[1:])]
    window = common_window(shifts, *greys[0].shape)
    if window is None:
        raise InputError(f"place {place!r}: its photos have nothing in common.")
    measured = []
    for (time, said, path), shift in zip(photos, shifts, strict=True):
        part = seen(window, shift)
        mask = _mask(folder / folder_name(path), name, greys[0].shape)[part]
        picture = Image.fromarray(np.asarray(read_image(path))[part]) if settings.snap else None
        cuts = [
            find_regions(
                mask, name, 0, 0.0, threshold=min(max(threshold + cut, 0.01), 1.0), settings=settings, picture=picture
            )
            for cut in CUTS
        ]
        summed = [sums(row(region) for region in regions) for regions in cuts]
        values = tuple({**each, "area": each["fine_area"]} for each in summed)
        measured.append(Photo(path, time, said, shift, cuts[CUTS.index(0.0)], values))
    return Series(place, name, tuple(measured), window, settings.mm_per_pixel)


def _mask(folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The mask of a class in a saved explanation; 0 everywhere where the class is not explained."""
    found = read_json(folder / RESULT, RECORD)
    for each in found["classes"]:
        if each["name"] == name:
            with Image.open(folder / each["mask"]) as mask:
                return np.asarray(np.asarray(mask) / 255, np.float32)
    if name not in found["probabilities"]:
        raise InputError(
            f"classes: {name!r} is no class of {folder}; its classes are {list(found['probabilities'])[:20]}."
        )
    return np.zeros(shape, np.float32)
