"""One line of a table of scores: means over the images, how sure they are, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explanans.benchmark.statistics import Values, bootstrap


@dataclass(frozen=True)
class Row:
    """One line of a table: a method's means over the images, each with its 95 % interval.

    Attributes:
        classifier, method, title, normalisation: what was measured. The title has the normalisation where a method is
            listed under several.
        subset: "all": every image; "shared": the images that the slow methods saw as well.
        images: how many there are rows for; fewer than were asked for while the run goes on.
        mean, low, high: by metric; NaN where the metric was not asked for.
        scored: by metric, on how many of the images it was asked for.
        failed, nan: images whose map failed or held a NaN; they count with the worst value.
    """

    classifier: str
    method: str
    title: str
    normalisation: str
    subset: str
    images: int
    mean: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    scored: dict[str, int]
    failed: int
    nan: int


def row_of(
    values: Mapping[str, Values],
    status: Sequence[str],
    *,
    seed: int,
    classifier: str,
    method: str,
    title: str,
    normalisation: str,
    subset: str,
) -> Row:
    """The line of one method.

    Args:
        values: (n,) by metric, of the images that it was asked for; metrics of as many images are drawn together.
        status: of every image: "ok", "nan" or "failed".
        seed: of the intervals' draws.
        classifier, method, title, normalisation, subset: as for :class:`Row`.
    """
    mean, low, high, scored = {}, {}, {}, {}
    for count in {len(each) for each in values.values()}:
        names = [name for name, each in values.items() if len(each) == count]
        stacked = np.stack([values[name] for name in names], axis=1)
        lows, highs = bootstrap(stacked, seed=seed)
        for name, column, below, above in zip(names, stacked.T, lows, highs, strict=True):
            mean[name] = float(column.mean()) if count else float("nan")
            low[name], high[name], scored[name] = float(below), float(above), count
    return Row(
        classifier=classifier,
        method=method,
        title=title,
        normalisation=normalisation,
        subset=subset,
        images=len(status),
        mean=mean,
        low=low,
        high=high,
        scored=scored,
        failed=status.count("failed"),
        nan=status.count("nan"),
    )
