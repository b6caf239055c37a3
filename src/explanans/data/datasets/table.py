"""A CSV or Parquet table of the user's: a picture per row, with its labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch

from explanans.data.classes import choose_classes
from explanans.data.dataset import LabelledImages
from explanans.data.datasets.table_labels import split_cells
from explanans.data.index_maps import check_against_labels, index_lookup, read_index_map
from explanans.data.joint_augment import Augment
from explanans.data.object_masks import check_objects, object_lookup, refuse_several
from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError
from explanans.utils.paths import user_path
from explanans.utils.read_table import SUFFIXES, read_table
from explanans.utils.text import few, printable

__all__ = ["SUFFIXES", "ImageTable"]

WHOLE = "all"
LABELS, LABEL = "labels", "label"
ONE, ZERO = ("1", "true", "yes", "1.0"), ("0", "false", "no", "0.0")
LIKELY = ("path", "file", "file_name", "filename", "filepath", "image_path", "picture", "photo", "name")


class ImageTable(LabelledImages):
    """Multi-label data from a table with the columns

    - ``image``: path of the picture, relative to ``root``;
    - either ``labels`` (or ``label``): class names separated by ``;`` or ``|`` (in Parquet a list column too; empty:
      no class), or one column per class that holds 0 or 1;
    - ``split``, optional: the split that the row belongs to;
    - ``segmentation``, optional: path of an index map relative to ``root``: 0 background, k the k-th class of
      ``mask_classes``, 255 void, or 65535 where the map has 16 bits; with ``object_value`` a binary mask. Classes that
      ``classes`` leaves out become background. Rows without a map may be empty.

    Args:
        path: the .csv or .tsv file (with a header; comma, semicolon or tab) or .parquet file.
        split: a value of the split column, or "all" for every row; with or without a part.
        classes: the classes in their order. None: the names in the labels column, sorted, or the class columns in the
            table's order, which are all that have no other meaning.
        image, labels, split_column, segmentation: names of those columns, where the table calls them otherwise.
        separator: between the labels of a cell; "single" where every cell is one name. Left out: ``;`` and ``|``, and
            cells that look as if something else joined their labels are refused.
        other_labels: what becomes of a label that is not among ``classes``: "refuse", or "drop" it from its row.
        mask_classes: the classes that a map's values 1, 2, … stand for, separated by ``;``. Left out: the class
            columns in the table's order, or all names in the labels column, sorted; never the order of ``classes``.
        object_value: the value, 1 to 255 (with 16 bits 65535), that stands for the picture's only label in every map;
            0 is background, and the largest void unless it is the object. Where a picture has no label, or none of
            ``classes``, all is background.
        root: the folder that paths are relative to; the table's own by default.

    Raises:
        InputError: the table or a column is missing, a class is unknown, a value is neither 0 nor 1, labels look
            joined, the maps contradict the labels, or a picture with a binary mask has several labels; with the row,
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
        labels: str = LABELS,
        split_column: str = "split",
        segmentation: str = "segmentation",
        separator: str | None = None,
        other_labels: Literal["refuse", "drop"] = "refuse",
        mask_classes: str | None = None,
        object_value: int | None = None,
        root: str | Path | None = None,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        cache: bool = False,
    ) -> None:
        path = Path(path)
        if other_labels not in ("refuse", "drop"):
            raise InputError(f"other_labels={other_labels!r}; take 'refuse' or 'drop'.")
        if object_value is not None and mask_classes is not None:
            raise InputError(
                f"object_value={object_value} and mask_classes={mask_classes!r} exclude each other: a map's values are "
                "classes, or one of them is the picture's only label."
            )
        table = read_table(path)
        _require_image(table, image, path)
        reserved = (image, split_column, segmentation)
        labels = _labels_column(table, labels)
        if labels in table.column_names:
            cells = split_cells(table.column(labels).to_pylist(), separator, f"{printable(path)}, column {labels!r}")
            known = tuple(sorted(set().union(*cells)))
            chosen, values = _named(cells, known, classes, other_labels, f"{printable(path)}, column {labels!r}")
        else:
            known = tuple(c for c in table.column_names if c not in reserved)
            if not known:
                raise InputError(
                    f"{printable(path)} has no labels; add a column {labels!r} or one column of 0 and 1 per class, or "
                    f"say which column has them: table:{path.name}?labels=COLUMN."
                )
            chosen = choose_classes(classes, known, path)
            values = np.stack([_indicator(table, name, labels, path) for name in chosen], axis=1)
            cells = _by_columns(table, known)
        _warn_of_unused(chosen, values, path)

        rows = _rows(table, split, split_column, path)
        folder = path.parent if root is None else user_path(root, "root")
        names = _texts(table, image, rows, path)
        maps = lookup = None
        if segmentation in table.column_names:
            maps = _existing(_texts(table, segmentation, rows, path, optional=True), folder, rows, path)
            if object_value is None:
                meant = known if mask_classes is None else tuple(each.strip() for each in mask_classes.split(";"))
                lookup = index_lookup([meant.index(c) + 1 if c in meant else None for c in chosen], len(meant))
            else:
                lookup = object_lookup(object_value, None, len(chosen))
                refuse_several([cells[row] for row in rows], maps, rows, printable(path))
                check_objects(maps, object_value, printable(path))
        self._object_value = object_value
        super().__init__(
            name=f"{path.stem}/{split}",
            classes=chosen,
            paths=[file for file in _existing(names, folder, rows, path) if file is not None],
            names=[name for name in names if name is not None],
            labels=torch.from_numpy(values[rows]),
            segmentations=maps,
            lookup=lookup,
            preprocessing=preprocessing,
            augment=augment,
            cache=cache,
        )
        if lookup is not None and object_value is None:
            check_against_labels(self.segmentations, lookup, self.labels, chosen, f"{printable(path)}: the maps")

    def _read_segmentation(self, index: int, path: Path) -> np.ndarray:
        if self._object_value is None:
            return super()._read_segmentation(index, path)
        column = int(self.labels[index].argmax()) if self.labels[index].any() else None
        return read_index_map(path, object_lookup(self._object_value, column, len(self.classes)))


def _require_image(table: pa.Table, image: str, path: Path) -> None:
    if image in table.column_names:
        return
    likely = next((name for name in table.column_names if name.lower() in LIKELY), table.column_names[0])
    raise InputError(
        f"{printable(path)} has no column {image!r} with the pictures' paths; it has "
        f"{', '.join(map(printable, table.column_names))}. Rename one, or say which it is: "
        f"table:{path.name}?image={printable(likely)}."
    )


def _labels_column(table: pa.Table, asked: str) -> str:
    """``label`` where there is no ``labels``, unless it is a class of that name: a column of 0 and 1."""
    if asked != LABELS or asked in table.column_names or LABEL not in table.column_names:
        return asked
    values = {str(value).lower() for value in table.column(LABEL).to_pylist()}
    return asked if values <= {*ONE, *ZERO} else LABEL


def _rows(table: pa.Table, split: str, column: str, path: Path) -> list[int]:
    """Positions of the rows of a split and its part."""
    name, part = parse_split(split)
    rows = list(range(table.num_rows))
    if name != WHOLE:
        if column not in table.column_names:
            raise InputError(
                f"split={split!r}: {printable(path)} has no column {column!r}; take {WHOLE!r} or {WHOLE}[:90%], or say "
                f"which column has the splits: table:{path.name}?split_column=COLUMN."
            )
        values = [str(value).strip() for value in table.column(column).to_pylist()]
        rows = [row for row in rows if values[row] == name]
        if not rows:
            there = ", ".join(printable(value) for value in sorted(set(values)))
            raise InputError(f"split={split!r}: {printable(path)} has the splits {there}; {WHOLE!r} takes every row.")
    chosen = [rows[i] for i in part_of(part, len(rows))]
    if not chosen:
        raise InputError(f"split={split!r} selects none of the {len(rows)} rows of {printable(path)}.")
    return chosen


def _texts(
    table: pa.Table, column: str, rows: Sequence[int], path: Path, *, optional: bool = False
) -> list[str | None]:
    values = table.column(column).to_pylist()
    texts: list[str | None] = []
    for row in rows:
        value = values[row]
        if optional and (value is None or value == ""):
            texts.append(None)
        elif not isinstance(value, str) or not value.strip():
            raise InputError(f"{printable(path)}, column {column!r}, row {row + 1}: {value!r} is no path.")
        else:
            texts.append(value.strip())
    return texts


def _existing(names: Sequence[str | None], folder: Path, rows: Sequence[int], path: Path) -> list[Path | None]:
    paths = [None if name is None else folder / name for name in names]
    for file, row in zip(paths, rows, strict=True):
        if file is not None and not file.is_file():
            fault = "no regular file" if file.exists() else "no such file"
            raise ImageError(
                f"{fault}, but row {row + 1} of {printable(path)} names it; paths are relative to {printable(folder)}, "
                f"or to another folder: table:{path.name}?root=FOLDER",
                file,
            )
    return paths


def _named(
    cells: Sequence[Sequence[str]],
    known: Sequence[str],
    classes: Sequence[str] | None,
    other_labels: str,
    where: str,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and labels (rows, C) float32 out of the names of each row."""
    if not known:
        raise InputError(f"{where}: no row names a class.")
    chosen = choose_classes(classes, known if classes is None else classes, where)
    if not set(chosen) & set(known):
        raise InputError(f"{where}: no row names one of {few(chosen)}; the names are {few(known)}.")
    position = {name: i for i, name in enumerate(chosen)}
    labels = np.zeros((len(cells), len(chosen)), dtype=np.float32)
    for row, names in enumerate(cells):
        for name in names:
            if name in position:
                labels[row, position[name]] = 1
            elif other_labels == "refuse":
                raise InputError(
                    f"{where}, row {row + 1}: {printable(name)!r} is no class; the classes are {few(chosen)}. To "
                    "leave such labels out: ?other_labels=drop."
                )
    return chosen, labels


def _warn_of_unused(chosen: Sequence[str], labels: np.ndarray, path: Path) -> None:
    unused = [name for name, count in zip(chosen, labels.sum(0), strict=True) if not count]
    if unused:
        warnings.warn(
            f"{printable(path)}: no row has the class{'es' * (len(unused) > 1)} {few(unused)}; check the names",
            stacklevel=3,
        )


def _by_columns(table: pa.Table, names: Sequence[str]) -> list[list[str]]:
    """The names in each row: of the columns that hold nothing but 0 and 1 those that hold 1."""
    columns = {name: [str(value).strip().lower() for value in table.column(name).to_pylist()] for name in names}
    classes = [name for name, values in columns.items() if {*values} <= {*ONE, *ZERO}]
    return [[name for name in classes if columns[name][row] in ONE] for row in range(table.num_rows)]


def _indicator(table: pa.Table, column: str, labels: str, path: Path) -> np.ndarray:
    """A class's column as (rows,) float32 of zeros and ones."""
    values = [str(value).strip().lower() for value in table.column(column).to_pylist()]
    for row, value in enumerate(values):
        if value not in (*ONE, *ZERO):
            given = table.column(column)[row].as_py()
            raise InputError(
                f"{printable(path)}, column {printable(column)!r}, row {row + 1}: {given!r} is neither 0 nor 1. If the "
                f"column is no class, name the classes (classes=[...]); if it holds the names of classes, say so: "
                f"table:{path.name}?{labels}={printable(column)}."
            )
    return np.array([value in ONE for value in values], dtype=np.float32)
