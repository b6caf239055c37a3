"""How it grows: photos of the same place at several times, brought into line, measured in what all of them show."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explanans.deploy.batch.explained import read_index
from explanans.deploy.batch.folders import folder_name
from explanans.errors import InputError
from explanans.explanations.explanation import RECORD, RESULT
from explanans.explanations.region import RegionSettings, find_regions
from explanans.explanations.region_files import row
from explanans.images.listing import list_items
from explanans.images.reading import read_image
from explanans.ops.registration import Shift, common_window, find_shift, seen
from explanans.pipelines.series import CUTS, TOLERANCE, Photo, Series, Time
from explanans.pipelines.severity_table import sums
from explanans.utils.numbers import check_number
from explanans.utils.read_table import read_table
from explanans.utils.records import read_json


def read_series(
    explanations: str | Path,
    table: str | Path,
    classes: Sequence[str],
    place: str = "place",
    time: str = "time",
    tolerance: float = TOLERANCE,
) -> list[Series]:
    """Measure the series of a table, place by place and class by class.

    Args:
        explanations: a folder that ``explanans explain --regions`` wrote of the photos.
        table: .csv or .parquet, with a column of pictures (image or path) and those that ``place`` and ``time`` name;
            times are numbers or dates as in ISO 8601 (2026-11-29, 2026-11-29T22:00).
        classes: names.
        tolerance: sizes that differ by less than this share are not called different, in [0, 1).

    Raises:
        InputError: a column that is missing, a time that is none or is there twice, a place with one photo, photos that
            are not explained or of several sizes, or that share nothing.
    """
    check_number("tolerance", tolerance, 0, 1, below=True)
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
        if where is None or not str(where).strip():
            raise InputError(f"series {table} names no {place} for {item.path}; every row needs one.")
        found.setdefault(str(where).strip(), []).append((_time(said, table), str(said).strip(), Path(item.path)))
    ordered = {where: _in_order(where, photos) for where, photos in found.items()}
    return [
        _measured(Path(explanations), where, name, photos, settings, threshold, tolerance)
        for where, photos in ordered.items()
        for name in classes
    ]


def _in_order(place: str, photos: list[tuple[Time, str, Path]]) -> list[tuple[Time, str, Path]]:
    if len(photos) < 2:
        raise InputError(f"place {place!r} has one photo; a series has at least two.")
    names = [path for _, _, path in photos]
    if twice := [path for path in names if names.count(path) > 1]:
        raise InputError(f"place {place!r} has {twice[0]} at two times; a photo was taken once.")
    kinds = {isinstance(each[0], datetime) for each in photos}
    if len(kinds) > 1:
        raise InputError(f"place {place!r} has times of which some are dates and some are numbers; write all alike.")
    ordered = sorted(photos, key=lambda each: each[0])
    for before, after in itertools.pairwise(ordered):
        if before[0] == after[0]:
            raise InputError(f"place {place!r} has two photos of the time {after[1]}; leave one of them out.")
    return ordered


def _time(said: Any, table: str | Path) -> Time:
    text = "" if said is None else str(said).strip()
    try:
        # 20261129 is a day, not the number of twenty millions.
        if not re.fullmatch(r"(19|20)\d{6}", text) and math.isfinite(number := float(text)):
            return number
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"series {table}: time {text!r} is neither a number nor a date such as 2026-11-29.") from error
    return moment.replace(tzinfo=None) if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _measured(
    folder: Path,
    place: str,
    name: str,
    photos: list[tuple[Time, str, Path]],
    settings: RegionSettings,
    threshold: float,
    tolerance: float,
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
        record = _record(folder / folder_name(path), path, name)
        mask = _mask(folder / folder_name(path), record, name, greys[0].shape)[part]
        picture = Image.fromarray(np.asarray(read_image(path))[part]) if settings.snap else None
        cuts = [
            find_regions(
                mask, name, 0, 0.0, threshold=min(max(threshold + cut, 0.01), 1.0), settings=settings, picture=picture
            )
            for cut in CUTS
        ]
        summed = [sums(row(region) for region in regions) for regions in cuts]
        values = tuple({**each, "area": each["fine_area"]} for each in summed)
        entry = _entry(record, name)
        receipt = (entry or {}).get("receipt") or {}
        measured.append(
            Photo(
                path,
                time,
                said,
                shift,
                cuts[CUTS.index(0.0)],
                values,
                record["probabilities"][name],
                receipt.get("word"),
                entry is not None,
            )
        )
    return Series(place, name, tuple(measured), window, settings.mm_per_pixel, threshold, tolerance)


def _record(folder: Path, path: Path, name: str) -> dict[str, Any]:
    """``explanation.json`` of a photo, which must know the class."""
    if not folder.is_dir():
        raise InputError(f"{folder.parent} has no explanation of {path}; explain it into the same folder.")
    record = read_json(folder / RESULT, RECORD)
    if name not in record["probabilities"]:
        names = list(record["probabilities"])
        raise InputError(f"classes: {name!r} is no class of {folder}; its classes are {names[:20]}.")
    return record


def _entry(record: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((each for each in record["classes"] if each["name"] == name), None)


def _mask(folder: Path, record: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The mask of a class in a saved explanation; 0 everywhere where the class is not explained."""
    entry = _entry(record, name)
    if entry is None:
        return np.zeros(shape, np.float32)
    try:
        with Image.open(folder / entry["mask"]) as mask:
            values = np.asarray(np.asarray(mask) / 255, np.float32)
    except (OSError, SyntaxError) as error:
        raise InputError(f"{folder / entry['mask']} (mask) cannot be read; explain the photo anew.") from error
    if values.shape != shape:
        raise InputError(
            f"{folder / entry['mask']} has {' × '.join(map(str, values.shape[::-1]))} pixels and its photo "
            f"{shape[1]} × {shape[0]}; explain the photo anew."
        )
    return values
