"""Binary masks: one value for the object, whose class is the only label of its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explanans.data.index_maps import IndexLookup, check_place, read_values
from explanans.errors import InputError
from explanans.images.segmentations import BACKGROUND, VOIDS
from explanans.utils.text import few

LOOKED_AT = 24
"""Masks that are read when a data set is opened."""


def object_lookup(value: int, column: int | None, classes: int) -> IndexLookup:
    """From a mask's values as :func:`~explanans.data.index_maps.index_lookup` has them.

    0 is background, ``value`` the class ``column`` of ``classes`` (background where it is None), and a file's largest
    value, 255 or with 16 bits 65535, void unless it is the object.

    Raises:
        InputError: no value that an object may have.
    """
    if not 1 <= value <= VOIDS["uint16"]:
        raise InputError(
            f"object_value={value}; give the value of the object in its mask, 1 to {VOIDS['uint8']}, or to "
            f"{VOIDS['uint16']} where masks have 16 bits: 0 is background."
        )
    check_place(column or 0)
    return IndexLookup.make({value: BACKGROUND if column is None else column + 1}, classes, no_void=value)


def refuse_several(
    labels: Sequence[Sequence[str]], masks: Sequence[Path | None], rows: Sequence[int], what: str
) -> None:
    """Refuse a picture with a mask and several labels, of which the mask would be nobody's.

    Args:
        labels: of each picture, all that it has.
        masks: of each picture, None where it has none.
        rows: of each picture, from 0.
        what: has the pictures, for the message.
    """
    for names, mask, row in zip(labels, masks, rows, strict=True):
        if mask is not None and len(set(names)) > 1:
            raise InputError(
                f"{what}, row {row + 1}: object_value is for pictures with one label, and this one has "
                f"{' and '.join(names)}, so that nobody knows whose {mask.name} is. Leave the mask out, or paint one "
                "value per class and say which: ?mask_classes=sky;grass;sheep for 1, 2, 3."
            )


def check_objects(masks: Sequence[Path | None], value: int, what: str) -> None:
    """Refuse masks of which none, of some that are looked at, has an object.

    Raises:
        InputError: so it is; the message names the values that they have.
    """
    there = [mask for mask in masks if mask is not None]
    chosen = there[:: max(1, len(there) // LOOKED_AT)][:LOOKED_AT]
    found = set[int]()
    for mask in chosen:
        found |= set(np.unique(read_values(mask)).tolist())
    if found - {BACKGROUND} and value not in found:
        values = few([str(each) for each in sorted(found)])
        raise InputError(
            f"{what}: object_value={value}, and the {len(chosen)} masks that were looked at have the values {values}; "
            "say which of them is the object."
        )
