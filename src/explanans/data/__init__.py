"""Data sets with one signature; a new one is a new file and a line in ``DATASETS``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from explanans.data.dataset import LabelledImages, Sample
from explanans.data.datasets.coco import COCO
from explanans.data.datasets.cub import CUB
from explanans.data.datasets.folder import ImageFolder
from explanans.data.datasets.table import SUFFIXES as TABLE_SUFFIXES
from explanans.data.datasets.table import ImageTable
from explanans.data.datasets.voc import VOC, find_devkits
from explanans.data.joint_augment import Augment
from explanans.data.loading import Batch, collate, loader
from explanans.data.spec import locate, split_spec
from explanans.errors import InputError
from explanans.images.listing import list_images
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError, read_image
from explanans.utils.paths import user_path

DATASETS: dict[str, Callable[..., LabelledImages]] = {
    "voc": VOC,
    "scenes": VOC,
    "coco": COCO,
    "cub": CUB,
    "folder": ImageFolder,
    "table": ImageTable,
}

__all__ = [
    "COCO",
    "CUB",
    "DATASETS",
    "VOC",
    "Batch",
    "ImageError",
    "ImageFolder",
    "ImageTable",
    "LabelledImages",
    "Sample",
    "collate",
    "list_images",
    "loader",
    "open_dataset",
    "read_image",
]


def open_dataset(
    spec: str | Path,
    split: str,
    *,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing,
    augment: Augment | None = None,
    cache: bool = False,
    segmentation: bool = True,
) -> LabelledImages:
    """The data set that ``spec`` names.

    Args:
        spec: ``scheme:path`` with a scheme of ``DATASETS``, and options of the data set after a question mark:
            ``voc:PATH?task=segmentation``; the year of a published data set in place of its path: ``voc:2007``; or a
            path alone: a folder in VOC's or COCO's layout, a .csv or .parquet table, or else a folder with one
            sub-folder per class.
        split: a split, with or without a part of its list: "train", "train[:90%]"; "all" where folder or table has no
            splits.
        classes: the classes wanted, in this order; None for all.
        preprocessing, augment, cache: see :class:`~explanans.data.dataset.LabelledImages`.
        segmentation: whether samples have it where the data does; a training that needs none is fed faster without.

    Raises:
        InputError: unknown scheme, or whatever the data set finds wrong.
    """
    scheme, path, options = _resolve(str(spec))
    data = DATASETS[scheme](
        path,
        split,
        classes=classes,
        preprocessing=preprocessing,
        augment=augment,
        cache=cache and segmentation,
        **options,
    )
    return data if segmentation else data.without_segmentation(cache=cache)


def _scheme_of(path: Path) -> str | None:
    """The scheme of a path alone."""
    if path.suffix.lower() in TABLE_SUFFIXES:
        return "table"
    if not path.is_dir():
        return None
    if any((path / "annotations").glob("instances_*.json")):
        return "coco"
    return "voc" if find_devkits(path) else "folder"


def _resolve(spec: str) -> tuple[str, Path, Mapping[str, Any]]:
    scheme, colon, rest = spec.partition(":")
    if colon and scheme in DATASETS:
        place, options = split_spec(rest, DATASETS[scheme], spec)
        return scheme, locate(scheme, place), options
    # A file or folder may have a question mark in its name.
    place = spec if user_path(spec, "data").exists() else spec.partition("?")[0]
    path = user_path(place, "data")
    if named := _scheme_of(path):
        return named, path, split_spec(spec, DATASETS[named], spec)[1]
    # Two letters at least: one is a Windows drive.
    fault = f"unknown scheme {scheme!r}" if re.match(r"\w\w+:", spec) else "no such folder"
    forms = ", ".join(f"{name}:PATH" for name in DATASETS)
    raise InputError(f"data {spec!r}: {fault}; write {forms}, or the path of a folder or a table.")
