"""The files of a benchmark's folder as they are read again: each is whole and says what it should, or it is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explanans.benchmark.columns import CURVES, MADE_FROM
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.records import Kind, read_arrays, read_json, read_parquet

SETTINGS = "benchmark.json"
SCORES, COSTS, MAPS, SANITY, THRESHOLDS = "scores", "costs", "maps", "sanity", "thresholds"
PART = "part-{:05d}.parquet"

NAME = re.compile(r"\w[\w.+-]*")
"""Of a classifier or a method in a benchmark, after which files are called."""

RECORD = Kind(
    "benchmark",
    "put back a copy of it, or measure again into a new folder",
    {
        "settings": dict,
        "versions": {str: str},
        "machine": dict,
        "data": {"name": str, "split": str, "fingerprint": str, "images": [str]},
        "seed": int,
        "reference": (str, NoneType),
        "classifiers": {str: {"classes": [str], "weights_hash": str}},
        "methods": {str: {"title": str, "method": str, "normalisations": [str], "weights": dict, "subset": str}},
        "subset": (dict, NoneType),
        "threshold_data": (dict, NoneType),
        "curve_thresholds": [(int, float)],
        "thresholds": {str: {str: {str: (int, float)}}},
    },
)
_AGAIN = "delete it, and 'explanans benchmark' with the settings of this folder measures it again"
ROWS = Kind("part of a benchmark", _AGAIN)
FACTS = Kind("costs or sanity in a benchmark", _AGAIN)
PICTURES = Kind("maps of a benchmark", _AGAIN)

STATES = ("ok", "nan", "failed")
_LISTS = (*CURVES, *MADE_FROM.values())
_WORDS = ("device", "error")


def read_record(path: Path) -> dict[str, Any]:
    """``benchmark.json``.

    A folder may come from somebody else, and its names of classifiers and methods become names of files that are read
    and written.

    Raises:
        InputError: it is damaged, of another kind, or names files outside the folder.
    """
    return check_record(path, read_json(path, RECORD))


def check_record(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """``record``, which lies at ``path``, if its entries fit together; raises as :func:`read_record`."""
    for kind in ("classifiers", "methods"):
        if wrong := [name for name in record[kind] if not NAME.fullmatch(name)]:
            raise RECORD.complain(path, f"names {wrong[0]!r} among the {kind}, which no benchmark does")
        if not record[kind]:
            raise RECORD.complain(path, f"has no {kind}")
    classes = {tuple(each["classes"]) for each in record["classifiers"].values()}
    if len(classes) > 1 or () in classes:
        raise RECORD.complain(path, "has no classes, or classifiers of different ones")
    for name, classifier in record["classifiers"].items():
        try:
            Preprocessing.from_dict(classifier["preprocessing"])
        except (TypeError, ValueError, KeyError, OverflowError, InputError) as error:
            raise RECORD.complain(path, f"has no preprocessing of {name} that can be used ({error})") from error
    for name, method in record["methods"].items():
        if not method["normalisations"]:
            raise RECORD.complain(path, f"has no normalisation of {name}")
    shared = (record["subset"] or {"images": []}).get("images")
    if not isinstance(shared, list) or not set(map(str, shared)) <= set(record["data"]["images"]):
        raise RECORD.complain(path, "shares images that are not its own")
    source, background = record["data"].get("source"), record["settings"].get("background", [])
    if not isinstance(source, str | None) or not isinstance(background, list):
        raise RECORD.complain(path, "has no name of its data, or no list of classes in settings.background")
    return record


def read_rows(path: Path, schema: pa.Schema, images: int, classes: int) -> pa.Table:
    """A part of the scores or of the thresholds.

    Args:
        schema: its columns.
        images, classes: how many the benchmark has.

    Raises:
        InputError: it is damaged, or of other images.
    """
    table = read_parquet(path, ROWS, schema)
    places = table["index"]
    if places.null_count or not pc.all(pc.and_(pc.greater_equal(places, 0), pc.less(places, images))).as_py():
        raise ROWS.complain(path, f"is not of the {images} images of this benchmark")
    if not set(table["status"].to_pylist()) <= set(STATES):
        raise ROWS.complain(path, f"has rows whose status is none of {', '.join(STATES)}")
    for name in set(_LISTS) & set(schema.names):
        lengths = set(pc.list_value_length(table[name]).drop_null().to_pylist())
        wanted = {"specificity": {classes**2}}.get(name, {2 * (classes + 1)} if name in MADE_FROM.values() else lengths)
        if len(lengths) > 1 or not lengths <= wanted:
            raise ROWS.complain(path, f"has lists of other lengths in {name} than {classes} classes make")
    return table


def read_cost(path: Path) -> dict[str, Any]:
    """What a map costs; numbers, unless there is an ``error``."""
    cost = read_json(path, FACTS)
    for name, value in cost.items():
        unknown = value is None and name.startswith("peak_memory_mb")
        right = isinstance(value, str) if name in _WORDS else unknown or _is_number(value)
        if not right:
            raise FACTS.complain(path, f"has {value!r} for {name}")
    if "error" not in cost and "ms_per_image" not in cost:
        raise FACTS.complain(path, "lacks ms_per_image")
    return cost


def read_sanity(path: Path) -> dict[str, Any]:
    """How like maps stay to themselves, stage by stage."""
    sanity = read_json(path, FACTS)
    stages = sanity.get("stages")
    if not isinstance(stages, list) or not isinstance(sanity.get("randomised"), str):
        raise FACTS.complain(path, "lacks stages, or what was randomised")
    for stage in stages:
        numbers = [stage.get("spearman"), stage.get("ssim")] if isinstance(stage, Mapping) else [None]
        if not all(isinstance(value, int | float) for value in numbers) or not isinstance(stage.get("failed", 0), int):
            raise FACTS.complain(path, "has a stage without spearman and ssim")
    return sanity


def read_maps(path: Path, classes: int) -> dict[str, NDArray[np.uint8]]:
    """Maps (C, H, W) by image."""
    maps = read_arrays(path, PICTURES)
    for name, values in maps.items():
        if values.dtype != np.uint8 or values.ndim != 3 or len(values) != classes or not values.size:
            raise PICTURES.complain(path, f"has {values.dtype} of {values.shape} for {name!r}, not {classes} maps")
    return maps


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
