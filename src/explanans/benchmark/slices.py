"""Kinds of photos that a method may do well or badly on: those with one label or several, small objects or large."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from explanans.errors import InputError

SMALL, LARGE = 0.1, 0.3
"""Shares of the picture that the objects of the labels cover: below the one they are small, from the other on large."""

SLICES: dict[str, Callable[[pa.Table], pa.Array]] = {
    "one label": lambda rows: pc.equal(pc.list_value_length(rows["labels"]), 1),
    "several labels": lambda rows: pc.greater(pc.list_value_length(rows["labels"]), 1),
    "small objects": lambda rows: pc.less(rows["object_area"], SMALL),
    "medium objects": lambda rows: pc.and_(
        pc.greater_equal(rows["object_area"], SMALL), pc.less(rows["object_area"], LARGE)
    ),
    "large objects": lambda rows: pc.greater_equal(rows["object_area"], LARGE),
}
"""By name, which rows belong to it; a photo whose object areas were not measured has no size."""


def part_of(rows: pa.Table, photos: str) -> pa.Table:
    """The rows of a kind of photos, in their order.

    Raises:
        InputError: an unknown kind.
    """
    if photos not in SLICES:
        raise InputError(f"photos={photos!r}; take one of {', '.join(SLICES)}.")
    return rows.filter(SLICES[photos](rows))
