"""Which differences between methods are more than chance: many paired tests at once, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explanans.benchmark.statistics import REPEATS

LEVEL = 0.05
"""A difference counts as one below this p."""

CHUNK = 1 << 22
"""Signs that are drawn at once."""


def sign_flips(differences: NDArray[np.float64], *, repeats: int = REPEATS, seed: int = 0) -> NDArray[np.float64]:
    """:func:`explanans.benchmark.statistics.sign_flip` of every column of (n, k), with the same signs for all.

    A table needs hundreds of tests on the same images; one product of matrices answers them all.

    Returns:
        (k,) two-sided p, never 0; 1 where all differences are 0; NaN for a column that is not finite, and without rows.
    """
    count, columns = differences.shape
    if not count:
        return np.full(columns, np.nan)
    finite = np.isfinite(differences).all(0)
    table = np.where(finite, differences, 0.0)
    observed = np.abs(table.sum(0))
    # Sums in another order differ in their last digits, which must not break ties.
    observed -= 1e-12 * np.abs(table).sum(0)
    reached = np.zeros(columns, dtype=np.int64)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // count)
    for start in range(0, repeats, step):
        rows = min(step, repeats - start)
        signs = 2.0 * generator.integers(2, size=(rows, count)) - 1
        reached += (np.abs(signs @ table) >= observed).sum(0)
    return np.where(finite, (1 + reached) / (1 + repeats), np.nan)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in their order: the i-th smallest of m times (m − i + 1), never
    below the one before it and at most 1. NaN stays NaN and does not count."""
    order = sorted((index for index, p in enumerate(values) if p == p), key=lambda index: values[index])
    corrected, highest = [float("nan")] * len(values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, values[index] * (len(order) - place)))
        corrected[index] = highest
    return corrected
