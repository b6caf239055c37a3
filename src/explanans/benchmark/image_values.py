"""A metric's value for each image, from the rows that were measured: a column, or what is made from one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explanans.benchmark.columns import COLUMNS, MADE_FROM
from explanans.benchmark.statistics import Values, miou_per_image, specificity_per_image
from explanans.errors import InputError


def check_metric(metric: str) -> None:
    """Raises InputError for what is none of :data:`~explanans.benchmark.columns.COLUMNS`."""
    if metric not in COLUMNS:
        raise InputError(f"metric {metric!r} is not known; take one of {', '.join(COLUMNS)}.")


def values_of(metric: str, table: pa.Table, classes: Sequence[str]) -> Values:
    """(n,), one for each of the n rows; NaN where the metric was not asked for.

    What is no mean over images (:data:`~explanans.benchmark.columns.MADE_FROM`) is made from its column for all rows
    together, see :mod:`explanans.benchmark.statistics`.

    Args:
        metric: one that :func:`check_metric` takes.
        classes: the C classes of the benchmark.
    """
    if metric not in MADE_FROM:
        return table[metric].to_numpy(zero_copy_only=False).astype(float)
    source = MADE_FROM[metric]
    asked = pc.is_valid(table[source]).to_numpy(zero_copy_only=False)
    values = np.full(len(asked), np.nan)
    if asked.any() and metric == "specificity_gap":
        values[asked] = specificity_per_image(*specificities(table, classes))
    elif asked.any():
        counts = np.array(table.filter(asked)[source].to_pylist(), float)
        values[asked] = miou_per_image(counts.reshape(len(counts), 2, -1))
    return values


def specificities(table: pa.Table, classes: Sequence[str]) -> tuple[Values, NDArray[np.bool_]]:
    """Of the images that have them (n, C, C), [image, class of the mask, class that is asked], and their labels
    (n, C)."""
    table = table.filter(pc.is_valid(table["specificity"]))
    values = np.array(table["specificity"].to_pylist(), float).reshape(-1, len(classes), len(classes))
    labels = np.array([[name in row for name in classes] for row in table["labels"].to_pylist()], bool)
    return values, labels.reshape(-1, len(classes))
