"""Some rows of every class, drawn while the parts go by, so that memory does not grow with the photos."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST, IN_ALL = 2000, 60_000
"""Rows of a class, and of all classes together, at most."""


def draw(parts: Iterable[pa.Table], classes: int, seed: int = 0) -> list[pa.Table]:
    """For each class up to min(2000, 60000 / classes) of the rows in which it is seen, in the order of the photos.

    Each row has a number that depends on its photo and the seed alone; those with the lowest stay. So the same photos
    give the same rows, whatever the parts are.
    """
    most = max(50, min(MOST, IN_ALL // max(1, classes)))
    kept: list[pa.Table | None] = [None] * classes
    for part in parts:
        seen = part.filter(part["seen"])
        for column in pc.unique(seen["class_index"]).to_pylist():
            rows = seen.filter(pc.equal(seen["class_index"], column))
            before = kept[column]
            together = rows if before is None else pa.concat_tables([before, rows])
            if len(together) > most:
                numbers = np.array([_number(seed, index) for index in together["index"].to_pylist()])
                together = together.take(np.sort(np.argsort(numbers, kind="stable")[:most]))
            kept[column] = together
        empty = seen.slice(0, 0)
    return [empty if rows is None else rows.combine_chunks() for rows in kept]


def _number(seed: int, index: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed} {index}".encode(), digest_size=7).digest())
