"""What a series of photos of one place is: what was measured in each of them, and how much of it grew."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from explanans.explanations.region import Region
from explanans.ops.registration import Shift

CUTS = (-0.1, -0.05, 0.0, 0.05, 0.1)
"""Added to the threshold, in each photo by itself, to see how much a measure depends on it."""

MEASURES = ("area", "length", "longest", "widest", "number")

LENGTHS = ("length", "longest", "widest")

PIXEL = 1.0
"""No length is known better, whatever the cut: each side of a range is moved out by as much."""

TOLERANCE = 0.07
"""The share of a size by which it may differ when a photo is only taken again (``examples/cracks/still.py``)."""

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
        probability: of the class, on the whole photo.
        word: of the receipt of the class's mask; None without a receipt.
        explained: False where the class was not probable enough to have a mask, so that all is 0.
    """

    path: Path
    time: Time
    said: str
    shift: Shift
    regions: tuple[Region, ...]
    measures: tuple[Mapping[str, float], ...]
    probability: float
    word: str | None
    explained: bool

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
        mask_threshold: a pixel is inside where the mask is at least this.
        tolerance: a share of the larger of two sizes by which each side of a range is moved out.
    """

    place: str
    name: str
    photos: tuple[Photo, ...]
    window: tuple[int, int, int, int]
    mm_per_pixel: float | None
    mask_threshold: float
    tolerance: float = TOLERANCE

    def scale(self, measure: str) -> tuple[float, str]:
        """What a measure in pixels is multiplied with, and its unit then."""
        unit = "px" if self.mm_per_pixel is None else "mm"
        if measure == "number":
            return 1.0, ""
        each = self.mm_per_pixel or 1.0
        return (each**2, f"{unit}²") if measure == "area" else (each, unit)

    def steps(self) -> list[dict[str, Any]]:
        """A row of :data:`STEPS` for each two photos that follow each other and each measure."""
        return [row for pair in itertools.pairwise(self.photos) for row in self.between(*pair)]

    def whole(self) -> list[dict[str, Any]]:
        """From the first photo to the last: a row of :data:`STEPS` for each measure."""
        return self.between(self.photos[0], self.photos[-1])

    def between(self, before: Photo, after: Photo) -> list[dict[str, Any]]:
        """A row of :data:`STEPS` for each measure.

        ``low`` and ``high`` are the lowest and the highest growth with the cuts of the two photos moved independently
        of each other over :data:`CUTS`, further apart by ``tolerance`` and for lengths by a pixel: how much of the
        growth may be the masks' and the camera's. They are no confidence interval. It "grows" where even the lowest is
        above 0, "shrinks" where even the highest is below, and is "unsure" otherwise; it is "absent" where neither
        photo has a region at any cut. The number of regions is "not judged": a gap of a pixel makes one into two.
        """
        rows = []
        passed, per = _passed(before.time, after.time)
        for measure in MEASURES:
            scale, unit = self.scale(measure)
            (low_before, high_before), (low_after, high_after) = before.bounds(measure), after.bounds(measure)
            growth = scale * (after.found[measure] - before.found[measure])
            absent = high_before == high_after == 0
            room = self._room(measure, max(before.found[measure], after.found[measure])) if not absent else 0.0
            low, high = scale * (low_after - high_before - room), scale * (high_after - low_before + room)
            sure = "grows" if low > 0 else "shrinks" if high < 0 else "unsure"
            says = "absent" if absent else sure if measure != "number" else "not judged"
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
                    "says": says,
                }
            )
        return rows

    def _room(self, measure: str, size: float) -> float:
        if measure == "number":
            return 0.0
        return self.tolerance * size + (PIXEL if measure in LENGTHS else 0.0)


def _passed(before: Time, after: Time) -> tuple[float, str]:
    if isinstance(before, datetime) and isinstance(after, datetime):
        return (after - before) / timedelta(days=1), "day"
    return float(after) - float(before), "unit of time"  # type: ignore[arg-type]
