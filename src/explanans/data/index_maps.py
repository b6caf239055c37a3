"""Index maps as VOC has them: an 8-bit PNG, grey or with a palette, whose values name classes; 255 is void."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from explanans.errors import InputError
from explanans.images.reading import ImageError, open_picture

BACKGROUND, VOID = 0, 255
MAX_CLASSES = 254


def index_lookup(values: Sequence[int | None], known: int) -> np.ndarray:
    """Table (256,) from a file's value to the segmentation's: c + 1 for ``values[c]``, 0, 255 or −1 (no class).

    Args:
        values: the file's value of each class of the data set, in the classes' order; None where it has none.
        known: values 1 … known name classes; those that ``values`` leaves out become background.

    Raises:
        InputError: more classes than an 8-bit map has values for.
    """
    if known > MAX_CLASSES:
        raise InputError(f"{known} classes; a segmentation of 8 bits has values for at most {MAX_CLASSES}.")
    check_place(max((place for place, value in enumerate(values) if value is not None), default=0))
    lookup = np.full(256, -1, dtype=np.int16)
    lookup[: known + 1] = BACKGROUND
    for place, value in enumerate(values, 1):
        if value is not None:
            lookup[value] = place
    lookup[VOID] = VOID
    return lookup


def check_place(column: int) -> None:
    """Refuse the class ``column`` of a data set if no segmentation of 8 bits can hold its number, ``column`` + 1."""
    if column >= MAX_CLASSES:
        raise InputError(
            f"class number {column + 1} is in a segmentation, which has values for at most {MAX_CLASSES} classes; "
            "name fewer classes (classes=[...]), take a classifier of these classes alone, or leave the segmentations "
            "out (of a table with ?segmentation=none) and measure what needs labels only."
        )


def read_index_map(path: Path, lookup: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 0 background, c + 1 = class c, 255 void.

    Raises:
        ImageError: not an 8-bit single-channel picture, or a value that ``lookup`` knows no class for.
    """
    with open_picture(path) as picture:
        if picture.mode not in ("P", "L", "1"):
            raise ImageError(
                f"a segmentation is an 8-bit palette or grey picture of class indices; this one has mode {picture.mode}"
            )
        values = np.asarray(picture, dtype=np.uint8)
    mapped = lookup[values]
    if mapped.min() < 0:
        unknown = np.unique(values[mapped < 0]).tolist()
        raise ImageError(
            f"the segmentation has the value{'s' * (len(unknown) > 1)} {', '.join(map(str, unknown))}; "
            f"{_meaning(lookup)}",
            path,
        )
    return mapped.astype(np.uint8)


def _meaning(lookup: np.ndarray) -> str:
    named = [int(value) for value in np.flatnonzero(lookup >= 0) if value and lookup[value] != VOID]
    classes = [f"1 to {named[-1]} are classes"] if named[-1] == len(named) else [f"{named[0]} is the object"]
    return ", ".join(["0 is background", *classes, *(["255 is void"] if lookup[VOID] == VOID else [])])


def check_against_labels(
    segmentations: Sequence[Path | None] | None,
    lookup: np.ndarray,
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
                f"{path.name} shows {', '.join(np.array(classes)[present])}, its row has "
                f"{', '.join(np.array(classes)[has]) or 'no label'}"
            )
    if wrong * 2 > seen:
        raise InputError(
            f"{what} contradict the labels in {wrong} of {seen} pictures that were looked at ({example}). A map's "
            "value k means the k-th class of the data, 0 background, 255 void; say what the values mean, such as "
            "?mask_classes=sky;grass;sheep for 1, 2, 3."
        )


def classes_present(segmentation: np.ndarray, count: int) -> np.ndarray:
    """Multi-hot (count,) float32 of the classes with at least one pixel; void counts for none."""
    return (np.bincount(segmentation.ravel(), minlength=256)[1 : count + 1] > 0).astype(np.float32)
