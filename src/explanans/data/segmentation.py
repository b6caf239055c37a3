"""Index maps as VOC has them: an 8-bit PNG, grey or with a palette, whose values name classes; 255 is void."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explanans.errors import InputError
from explanans.images.reading import ImageError, open_picture

BACKGROUND, VOID = 0, 255
MAX_CLASSES = 254


def index_lookup(values: Sequence[int], known: int) -> np.ndarray:
    """Table (256,) from a file's value to the segmentation's: c + 1 for ``values[c]``, 0, 255 or −1 (no class).

    Args:
        values: the file's value of each class of the data set, in the classes' order.
        known: values 1 … known name classes; those that ``values`` leaves out become background.

    Raises:
        InputError: more classes than an 8-bit map has values for.
    """
    if known > MAX_CLASSES:
        raise InputError(f"{known} classes; a segmentation of 8 bits has values for at most {MAX_CLASSES}.")
    lookup = np.full(256, -1, dtype=np.int16)
    lookup[: known + 1] = BACKGROUND
    lookup[list(values)] = np.arange(1, len(values) + 1)
    lookup[VOID] = VOID
    return lookup


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
        last = int(np.flatnonzero(lookup[:VOID] >= 0)[-1])
        raise ImageError(
            f"the segmentation has the value{'s' * (len(unknown) > 1)} {', '.join(map(str, unknown))}; "
            f"0 is background, 1 to {last} are classes, 255 is void",
            path,
        )
    return mapped.astype(np.uint8)


def classes_present(segmentation: np.ndarray, count: int) -> np.ndarray:
    """Multi-hot (count,) float32 of the classes with at least one pixel; void counts for none."""
    return (np.bincount(segmentation.ravel(), minlength=256)[1 : count + 1] > 0).astype(np.float32)
