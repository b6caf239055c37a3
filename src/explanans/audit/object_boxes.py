"""Boxes of objects from a table of the user's, as regions of the classifier's input."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.utils.read_table import read_table
from explanans.utils.text import printable

COLUMNS = ("image", "class", "left", "top", "right", "bottom")

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels from 0, right and bottom exclusive."""


@dataclass(frozen=True)
class Boxes:
    """Boxes by photo and class.

    Attributes:
        table: photo → class → boxes.
        fingerprint: of the file.
    """

    table: Mapping[str, Mapping[int, Sequence[Box]]]
    fingerprint: str

    @classmethod
    def read(cls, path: str | Path, classes: Sequence[str], names: Collection[str]) -> Boxes:
        """From a CSV or Parquet table with the columns ``image`` (a photo's name in its data set, or its file name),
        ``class``, ``left``, ``top``, ``right`` and ``bottom``: pixels of the photo from 0, right and bottom exclusive.

        Raises:
            InputError: no such columns, a photo or a class that the data does not have, or a box that is none.
        """
        table = read_table(path)
        if lacking := [name for name in COLUMNS if name not in table.column_names]:
            raise InputError(f"boxes: {printable(path)} lacks the columns {', '.join(lacking)}; it needs {COLUMNS}.")
        known = {form: name for name in names for form in (name, Path(name).name, Path(name).stem)}
        found: dict[str, dict[int, list[Box]]] = {}
        for number, row in enumerate(table.select(COLUMNS).to_pylist(), 1):
            where = f"boxes: {printable(path)}, row {number}"
            name = known.get(str(row["image"]))
            if name is None:
                raise InputError(
                    f"{where}: {row['image']!r} is no photo of the data; write its name as the data has it."
                )
            if row["class"] not in classes:
                raise InputError(f"{where}: {row['class']!r} is no class; the classes are {', '.join(classes)}.")
            box = _box(row, where)
            found.setdefault(name, {}).setdefault(list(classes).index(row["class"]), []).append(box)
        return cls(found, hashlib.sha256(Path(path).read_bytes()).hexdigest())

    def regions(self, name: str, columns: Sequence[int], photo: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """bool (K, H, W): the boxes of each class in a photo of height × width ``photo``, scaled to ``size``.

        Raises:
            InputError: a box that lies outside of its photo.
        """
        regions = torch.zeros(len(columns), *size, dtype=torch.bool)
        of = self.table.get(name, {})
        for place, column in enumerate(columns):
            for left, top, right, bottom in of.get(column, ()):
                if left >= photo[1] or top >= photo[0] or right <= 0 or bottom <= 0:
                    raise InputError(
                        f"boxes: ({left:g}, {top:g}, {right:g}, {bottom:g}) of {printable(name)} lies outside of the "
                        f"photo, which is {photo[1]} wide and {photo[0]} high"
                    )
                y, x = size[0] / photo[0], size[1] / photo[1]
                rows = slice(max(0, math.floor(top * y)), math.ceil(bottom * y))
                regions[place, rows, max(0, math.floor(left * x)) : math.ceil(right * x)] = True
        return regions


def _box(row: Mapping[str, object], where: str) -> Box:
    try:
        left, top, right, bottom = (float(row[name]) for name in COLUMNS[2:])  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: left, top, right and bottom must be numbers ({error}).") from error
    # Written so that NaN fails too.
    if not (left < right and top < bottom and math.isfinite(left + top + right + bottom)):
        raise InputError(f"{where}: ({left:g}, {top:g}, {right:g}, {bottom:g}) is no box; left < right, top < bottom.")
    return left, top, right, bottom
