"""Sum up the regions of each photo and class, and compare photos of the same place: how bad is it, and does it grow?

Reads a folder that 'explanans explain --regions' wrote, and writes severity.csv and severity.parquet: for each photo
and class the area, the share of the photo, the number of regions, the length of all, the longest and the widest. With a
series, a table that says where and when photos were taken, growth.csv and growth.parquet have each step with what may
be the masks' doing, and growth-PLACE-CLASS.html shows it.
"""

from __future__ import annotations

from pathlib import Path

from explanans.cli.output import say
from explanans.errors import InputError
from explanans.pipelines.growth import read_series
from explanans.pipelines.growth_page import write_pages
from explanans.pipelines.series import STEPS, TOLERANCE
from explanans.pipelines.severity_table import COLUMNS, severity, write_table
from explanans.utils.tables import aligned

SHOWN = 40


def run(
    explanations: str,
    classes: list[str] | None = None,
    series: str | None = None,
    place: str = "place",
    time: str = "time",
    tolerance: float = TOLERANCE,
    out: str | None = None,
) -> int:
    """Sum up.

    Args:
        explanations: folder that explanans explain --regions wrote.
        classes: have a row for every photo, with zeros where the class was not found; null for those explained.
        series: table (.csv, .parquet) with a column image or path, a place and a time for each photo.
        place: the column that says where a photo was taken.
        time: the column that says when: numbers, or dates such as 2026-11-29.
        tolerance: share by which a size differs when a photo is only taken again; less is called unsure.
        out: folder to write into; null for that of the explanations.
    """
    if series is not None and not classes:
        raise InputError("classes is null; name those whose growth is wanted, such as --classes crack.")
    rows = severity(explanations, classes)
    # A table that cannot be read is told before anything is written.
    measured = [] if series is None else read_series(explanations, series, classes or [], place, time, tolerance)
    folder = Path(out or explanations)
    write_table(folder / "severity", rows, COLUMNS)
    header = ["picture", "class", "number", "area", "share", "length", "longest", "widest"]
    say(aligned(header, [_cells(row) for row in rows[:SHOWN]]))
    if len(rows) > SHOWN:
        say(f"… and {len(rows) - SHOWN} more")
    say(f"\nin {folder / 'severity.csv'}")
    if series is not None:
        steps = [step for each in measured for step in each.steps()]
        write_table(folder / "growth", steps, STEPS)
        for page in write_pages(measured, folder):
            say(f"open {page.resolve().as_uri()}")
    return 0


def _cells(row: dict[str, object]) -> list[str]:
    scaled = row["area_mm2"] is not None
    unit, square = ("mm", "mm²") if scaled else ("px", "px²")
    names = ("area_mm2", "length_mm", "longest_mm", "widest_mm") if scaled else ("area", "length", "longest", "widest")
    area, *lengths = (row[name] for name in names)
    sizes = [f"{value:,.1f} {unit}" for value in lengths]
    return [
        str(row["picture"]),
        str(row["class"]),
        str(row["number"]),
        f"{area:,.0f} {square}",
        f"{row['share']:.2%}",
        *sizes,
    ]
