"""Which differences between methods are more than chance where many are tested: Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence

LEVEL = 0.05
"""A difference counts as one below this p."""


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in their order: the i-th smallest of m times (m − i + 1), never
    below the one before it and at most 1. NaN stays NaN and does not count."""
    order = sorted((index for index, p in enumerate(values) if p == p), key=lambda index: values[index])
    corrected, highest = [float("nan")] * len(values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, values[index] * (len(order) - place)))
        corrected[index] = highest
    return corrected
