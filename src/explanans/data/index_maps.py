"""Index maps: grey or palette pictures whose values name classes. In 8 bits, as VOC's, 255 is void, in 16 65535."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from explanans.errors import InputError
from explanans.images.reading import ImageError, open_picture
from explanans.images.segmentations import BACKGROUND, MOST, VOIDS, numbers_type, void_of
from explanans.utils.text import few

EIGHT_BITS = ("P", "L", "1")
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I")


@dataclass(frozen=True)
class IndexLookup:
    """From the values of a file to the numbers of a segmentation, −1 for a value that names nothing.

    Attributes:
        eight, sixteen: (256,) for files of 8 bits and (65536,) for those of 16.
        dtype: of the segmentation, see :mod:`explanans.images.segmentations`.
    """

    eight: NDArray[Any]
    sixteen: NDArray[Any]
    dtype: np.dtype[Any]

    @classmethod
    def make(cls, numbers: Mapping[int, int], classes: int, known: int = 0, no_void: int | None = None) -> IndexLookup:
        """The tables where ``numbers`` has the number of each value that names one.

        Args:
            classes: how many the segmentations tell apart.
            known: values up to this one that are not in ``numbers`` are background.
            no_void: the value that is not void where it is a file's largest.
        """
        dtype = numbers_type(classes)
        # A wider table makes a wider copy of each map on the way.
        sixteen = np.full(VOIDS["uint16"] + 1, -1, np.int16 if dtype == np.uint8 else np.int32)
        sixteen[: known + 1] = BACKGROUND
        for value, number in numbers.items():
            sixteen[value] = number
        eight = sixteen[: VOIDS["uint8"] + 1].copy()
        for table in (eight, sixteen):
            if no_void != len(table) - 1:
                table[-1] = void_of(dtype)
        return cls(eight, sixteen, dtype)


def index_lookup(values: Sequence[int | None], known: int) -> IndexLookup:
    """c + 1 for the value ``values[c]``, 0 for 0, void for the largest that a file can have.

    Args:
        values: the file's value of each class of the data set, in the classes' order; None where it has none.
        known: values 1 … known name classes; those that ``values`` leaves out become background.

    Raises:
        InputError: more classes than 16 bits have values for.
    """
    if known > MOST:
        raise InputError(f"{known} classes; a segmentation of 16 bits has values for at most {MOST}.")
    check_place(max((place for place, value in enumerate(values) if value is not None), default=0))
    numbers = {value: place for place, value in enumerate(values, 1) if value is not None}
    return IndexLookup.make(numbers, len(values), known)


def check_place(column: int) -> None:
    """Refuse the class ``column`` of a data set if no segmentation can hold its number, ``column`` + 1."""
    if column >= MOST:
        raise InputError(
            f"class number {column + 1} is in a segmentation, which has values for at most {MOST} classes; "
            "name fewer classes (classes=[...]), take a classifier of these classes alone, or leave the segmentations "
            "out (of a table with ?segmentation=none) and measure what needs labels only."
        )


def read_values(path: Path) -> NDArray[Any]:
    """What a file says, (H, W): uint8, or uint16 where it has more than 8 bits.

    Raises:
        ImageError: not a single channel of whole numbers, or one that has more than 16 bits.
    """
    with open_picture(path) as picture:
        if picture.mode in EIGHT_BITS:
            return np.asarray(picture, np.uint8)
        if picture.mode not in SIXTEEN_BITS:
            raise ImageError(
                "a segmentation is a palette or grey picture of class indices with 8 or 16 bits; this one has mode "
                f"{picture.mode}: save the indices as a grey PNG"
            )
        values = np.asarray(picture)
    if values.min() < 0 or values.max() > VOIDS["uint16"]:
        raise ImageError(
            f"the segmentation has values from {values.min()} to {values.max()}; save it with 16 bits, 0 for the "
            f"background, 1 to {MOST} for classes and {VOIDS['uint16']} for void",
            path,
        )
    return values.astype(np.uint16)


def read_index_map(path: Path, lookup: IndexLookup) -> NDArray[Any]:
    """(H, W) in the lookup's type: 0 background, c + 1 = class c, and void.

    Raises:
        ImageError: not a single-channel picture of 8 or 16 bits, or a value that ``lookup`` knows no class for.
    """
    values = read_values(path)
    table = lookup.eight if values.dtype == np.uint8 else lookup.sixteen
    mapped = table[values]
    if mapped.min() < 0:
        unknown = np.unique(values[mapped < 0]).tolist()
        raise ImageError(
            f"the segmentation has the value{'s' * (len(unknown) > 1)} {few([str(value) for value in unknown])}; "
            f"{_meaning(table, void_of(lookup.dtype))}. {_advice(values.dtype, unknown)}",
            path,
        )
    return mapped.astype(lookup.dtype)


def _meaning(table: NDArray[Any], void: int) -> str:
    named = [int(value) for value in np.flatnonzero(table >= 0) if value and table[value] != void]
    parts = ["0 is background"]
    if named:
        parts.append(f"1 to {named[-1]} are classes" if named[-1] == len(named) else f"{named[0]} is the object")
    if table[-1] == void:
        parts.append(f"{len(table) - 1} is void")
    return ", ".join(parts)


def _advice(dtype: np.dtype[Any], unknown: Sequence[int]) -> str:
    if dtype != np.uint8 and VOIDS["uint8"] in unknown:
        return f"If {VOIDS['uint8']} is void, save the file with 8 bits; with 16 bits void is {VOIDS['uint16']}."
    return "Paint these pixels as one of them, or name all classes that the values stand for"


def check_against_labels(
    segmentations: Sequence[Path | None] | None,
    lookup: IndexLookup,
    labels: Tensor,
    classes: Sequence[str],
    what: str,
    most: int = 24,
) -> None:
    """Refuse maps that speak of other classes than the labels, as they do when their values mean something else.

    Up to ``most`` maps, evenly spread, are read. A class that a map shows and its labels lack is a contradiction; a
    label that a map does not show is none.

    Raises:
        InputError: more than half of the maps that show a class contradict their labels.
    """
    there = [index for index, path in enumerate(segmentations or ()) if path is not None]
    chosen = there[:: max(1, len(there) // most)][:most]
    wrong, seen, example = 0, 0, ""
    for index in chosen:
        path = (segmentations or ())[index]
        assert path is not None
        present = classes_present(read_index_map(path, lookup), len(classes)).astype(bool)
        has = labels[index].bool().numpy()
        seen += bool(present.any())
        if (present & ~has).any():
            wrong += 1
            example = example or (
                f"{path.name} shows {few(np.array(classes)[present].tolist())}, its row has "
                f"{few(np.array(classes)[has].tolist()) or 'no label'}"
            )
    if wrong * 2 > seen:
        raise InputError(
            f"{what} contradict the labels in {wrong} of {seen} pictures that were looked at ({example}). A map's "
            "value k means the k-th class of the data, 0 background, 255 (of 16 bits 65535) void; say what the values "
            "mean, such as ?mask_classes=sky;grass;sheep for 1, 2, 3."
        )


def classes_present(segmentation: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Multi-hot (count,) float32 of the classes with at least one pixel; void counts for none."""
    return (np.bincount(segmentation.ravel(), minlength=count + 1)[1 : count + 1] > 0).astype(np.float32)
