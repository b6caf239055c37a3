"""A CSV or Parquet table: a picture per row, with its labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import torch

from explanans.data.classes import choose_classes
from explanans.data.dataset import Augment, LabelledImages
from explanans.data.segmentation import index_lookup
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

WHOLE = "all"
LABELS, SPLIT, SEGMENTATION = "labels", "split", "segmentation"
SUFFIXES = (".csv", ".parquet")


class ImageTable(LabelledImages):
    """Multi-label data from a table with the columns

    - ``image``: path of the picture, relative to ``root``;
    - either ``labels``: class names separated by ``;`` or ``|`` (in Parquet a list column too; empty: no class),
      or one column per class that holds 0 or 1;
    - ``split``, optional: the split that the row belongs to;
    - ``segmentation``, optional: path of an index map relative to ``root``: 0 background, 255 void, k the k-th class
      column, or the k-th class where there is a labels column. Class columns that ``classes`` leaves out become
      background.

    Args:
        path: the .csv (comma-separated, with a header) or .parquet file.
        split: a value of the split column, or "all" for every row; with or without a part.
        classes: the classes in their order. None: the names in the labels column, sorted, or the class columns in the
            table's order, which are all that have no other meaning.
        image: name of the column of pictures.
        root: the folder that paths are relative to; the table's own by default.

    Raises:
        InputError: the table or a column is missing, a class is unknown, a value is neither 0 nor 1; with the row,
            counted from 1 below the header.
        ImageError: a picture or segmentation file that does not exist.
    """

    def __init__(
        self,
        path: str | Path,
        split: str = WHOLE,
        *,
        classes: Sequence[str] | None = None,
        image: str = "image",
        root: str | Path | None = None,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        path = Path(path)
        table = read_table(path, text=(image, LABELS, SPLIT, SEGMENTATION))
        if image not in table.column_names:
            raise InputError(f"{path} has no column {image!r}; it has {', '.join(table.column_names)}.")
        if LABELS in table.column_names:
            chosen, labels = _labels_column(table, classes, path)
            known = chosen
        else:
            known = tuple(c for c in table.column_names if c not in (image, SPLIT, SEGMENTATION))
            if not known:
                raise InputError(f"{path} has no labels; add a column {LABELS!r} or one column of 0 and 1 per class.")
            chosen = choose_classes(classes, known, path)
            labels = np.stack([_indicator(table, name, path) for name in chosen], axis=1)

        rows = _rows(table, split, path)
        folder = path.parent if root is None else Path(root)
        names = _texts(table, image, rows, path)
        maps = None
        if SEGMENTATION in table.column_names:
            maps = _existing(_texts(table, SEGMENTATION, rows, path), folder, rows, path)
        super().__init__(
            name=f"{path.stem}/{split}",
            classes=chosen,
            paths=_existing(names, folder, rows, path),
            names=names,
            labels=torch.from_numpy(labels[rows]),
            segmentations=maps,
            lookup=None if maps is None else index_lookup([known.index(c) + 1 for c in chosen], len(known)),
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )


def read_table(path: Path, text: Sequence[str] = ()) -> pa.Table:
    """A CSV or Parquet file with at least one row; in CSV the columns of ``text`` are never taken for numbers."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"table {path} is neither of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"table {path} does not exist.")
    try:
        if path.suffix.lower() == ".csv":
            options = pa.csv.ConvertOptions(column_types=dict.fromkeys(text, pa.string()))
            table = pa.csv.read_csv(path, convert_options=options)
        else:
            table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"table {path} cannot be read: {' '.join(str(error).split())}") from error
    if twice := {name for name in table.column_names if table.column_names.count(name) > 1}:
        raise InputError(f"table {path} has more than one column {sorted(twice)[0]!r}.")
    if not table.num_rows:
        raise InputError(f"table {path} has no rows.")
    return table


def _rows(table: pa.Table, split: str, path: Path) -> list[int]:
    """Positions of the rows of a split and its part."""
    name, part = parse_split(split)
    rows = list(range(table.num_rows))
    if name != WHOLE:
        if SPLIT not in table.column_names:
            raise InputError(f"split={split!r}: {path} has no column {SPLIT!r}; take {WHOLE!r} or {WHOLE}[:90%].")
        values = table.column(SPLIT).to_pylist()
        rows = [row for row in rows if values[row] == name]
        if not rows:
            there = ", ".join(sorted({str(value) for value in values}))
            raise InputError(f"split={split!r}: {path} has the splits {there}; {WHOLE!r} takes every row.")
    chosen = [rows[i] for i in part_of(part, len(rows))]
    if not chosen:
        raise InputError(f"split={split!r} selects none of the {len(rows)} rows of {path}.")
    return chosen


def _texts(table: pa.Table, column: str, rows: Sequence[int], path: Path) -> list[str]:
    values = table.column(column).to_pylist()
    for row in rows:
        if not isinstance(values[row], str) or not values[row].strip():
            raise InputError(f"{path}, column {column!r}, row {row + 1}: {values[row]!r} is no path.")
    return [values[row].strip() for row in rows]


def _existing(names: Sequence[str], folder: Path, rows: Sequence[int], path: Path) -> list[Path]:
    paths = [folder / name for name in names]
    for file, row in zip(paths, rows, strict=True):
        if not file.is_file():
            raise ImageError(f"no such file, but row {row + 1} of {path} names it", file)
    return paths


def _labels_column(table: pa.Table, classes: Sequence[str] | None, path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and labels (rows, C) float32 out of a column of names."""
    named = [_split_names(value) for value in table.column(LABELS).to_pylist()]
    known = sorted(set().union(*named)) if classes is None else classes
    if not known:
        raise InputError(f"{path}, column {LABELS!r}: no row names a class.")
    chosen = choose_classes(classes, known, path)
    position = {name: i for i, name in enumerate(chosen)}
    labels = np.zeros((len(named), len(chosen)), dtype=np.float32)
    for row, names in enumerate(named):
        for name in names:
            if name not in position:
                raise InputError(
                    f"{path}, column {LABELS!r}, row {row + 1}: {name!r} is no class; the classes are "
                    f"{', '.join(chosen)}."
                )
            labels[row, position[name]] = 1
    return chosen, labels


def _split_names(value: str | Sequence[str] | None) -> list[str]:
    parts = re.split(r"[;|]", value) if isinstance(value, str) else value or []
    return [part.strip() for part in parts if part.strip()]


def _indicator(table: pa.Table, column: str, path: Path) -> np.ndarray:
    """A class's column as (rows,) float32 of zeros and ones."""
    values = table.column(column).to_pylist()
    for row, value in enumerate(values):
        if value not in (0, 1, "0", "1"):
            raise InputError(
                f"{path}, column {column!r}, row {row + 1}: {value!r} is neither 0 nor 1. If the column is no class, "
                "name the classes: classes=[...]."
            )
    return np.array(values, dtype=np.float32)
