"""What stands in a table: methods that saw the same images, their means, and which lead by more than chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.baselines import is_baseline
from explanans.benchmark.results import Results
from explanans.benchmark.statistics import sign_flips
from explanans.benchmark.summary_row import Row

HEADLINES = ("class_iou_soft", "iou_soft", "f1_soft", "iou_mean", "specificity_gap", "insertion", "kept")
"""The first of these that was measured orders the rows."""

LEVEL = 0.05
"""A difference counts as one below this p."""

Samples = dict[tuple[int, str], NDArray[np.float64]]


@dataclass(frozen=True)
class Cell:
    """A mean with its interval.

    Attributes:
        mean, low, high: over the images; NaN where the metric was not computed.
        mark: "best"; "level" where its difference to the best is not significant; "" otherwise.
        p: of the paired test against the best, corrected for the number of methods; NaN where there was none.
        images: how many it is the mean of.
        short: it was computed on other images than the column's, as while a benchmark runs, and does not compete.
    """

    mean: float
    low: float
    high: float
    mark: str = ""
    p: float = math.nan
    images: int = 0
    short: bool = False

    @property
    def missing(self) -> bool:
        return not self.images

    @property
    def half(self) -> float:
        """Half the width of the interval: what stands behind ±."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Comparison:
    """Methods of one classifier on one set of images.

    Attributes:
        classifier: its name.
        subset: "all": the methods that saw every image; "shared": all methods, on the images that the slow ones saw.
        images: how many images were asked for.
        rows: methods × normalisations, best first, baselines last.
        baselines: how many of the last rows are baselines.
        columns: the metrics that were computed on these images.
        scored: by column, on how many images.
        cells: by (row, column).
        firsts: each method's own normalisation.
        reference: row that ``versus`` compares with, or None.
        versus: by (row, column), (difference to the reference, p corrected for the number of methods).
    """

    classifier: str
    subset: str
    images: int
    rows: tuple[Row, ...]
    baselines: int
    columns: tuple[str, ...]
    scored: dict[str, int]
    cells: dict[tuple[int, str], Cell]
    firsts: dict[str, str]
    reference: int | None
    versus: dict[tuple[int, str], tuple[float, float]]

    @property
    def competitors(self) -> range:
        """Rows that are no baselines."""
        return range(len(self.rows) - self.baselines)

    @property
    def own(self) -> list[int]:
        """One row for each method: that of its own normalisation."""
        return [index for index, row in enumerate(self.rows) if self.firsts[row.method] == row.normalisation]

    def best(self, column: str) -> int | None:
        """The row that leads a column; None where the metric only describes."""
        return next((row for row in self.competitors if self.cells[row, column].mark == "best"), None)

    def better_baselines(self, column: str) -> list[int]:
        """Baselines whose mean is better than the best method's."""
        best, direction = self.best(column), COLUMNS[column].higher_is_better
        if best is None:
            return []
        sign = 1 if direction else -1
        bar = sign * self.cells[best, column].mean
        baselines = range(len(self.rows) - self.baselines, len(self.rows))
        return [row for row in baselines if sign * self.cells[row, column].mean > bar]


def compare(
    results: Results, classifier: str, subset: str, reference: str | None = None, photos: str | None = None
) -> Comparison | None:
    """Means, marks and tests for the methods that saw the same images; None where nothing is done yet.

    Per column the best method is found and every other is tested against it on their images: a sign-flip test
    (:func:`explanans.benchmark.statistics.sign_flips`), corrected by Holm for the number of methods. Constants do not
    compete: showing everything, or nothing, is best in many a column and explains nothing.

    Args:
        subset: "all" or "shared"; a column of "all" that was computed on the shared images only is left to "shared".
        reference: method that the others are tested against as well, in its own normalisation.
        photos: a kind of them, one of :data:`~explanans.benchmark.slices.SLICES`; None for all.
    """
    found = results.summary(*COLUMNS, subset=subset, classifier=classifier, photos=photos)
    if not found:
        return None
    values = {
        (index, column): results.values(column, classifier, row.method, row.normalisation, subset, photos)
        for index, row in enumerate(found)
        for column in COLUMNS
    }
    places = {name: place for place, name in enumerate(results.images)}
    shared = {places[name] for name in results.subset_images}
    most = max(row.images for row in found)
    common: dict[str, tuple[int, ...]] = {}
    for column in COLUMNS:
        # Of equally many the first; a set with fewer images than another is one of a run that goes on.
        images = max((tuple(values[row, column][0].tolist()) for row in range(len(found))), key=len)
        left_to_shared = subset == "all" and 0 < len(shared) < len(places) and shared.issuperset(images)
        left_to_shared &= photos is None or len(images) < most
        if images and not left_to_shared:
            common[column] = images
    if not common:
        return None
    order = _order(results, found, common)
    rows = tuple(found[index] for index in order)
    baselines = sum(is_baseline(results, row) for row in rows)
    samples = {
        (place, column): values[index, column][1]
        for place, index in enumerate(order)
        for column in common
        if tuple(values[index, column][0].tolist()) == common[column]
    }
    firsts = {method: results.normalisations(method)[0] for method in results.methods}
    rivals = range(len(rows) - baselines)
    best = {column: _best(column, rows, samples, rivals) for column in common}
    seed = results.settings["seed"]
    against_best = _tested(samples, best, rivals, seed)
    start = next(
        (i for i, row in enumerate(rows) if row.method == reference and firsts[row.method] == row.normalisation), None
    )
    against_reference = _tested(samples, dict.fromkeys(common, start), range(len(rows)), seed)
    cells = {}
    for place, row in enumerate(rows):
        for column in common:
            p = against_best.get((place, column), (math.nan, math.nan))[1]
            mark = "best" if place == best[column] else "level" if p >= LEVEL else ""
            cells[place, column] = Cell(
                mean=row.mean[column],
                low=row.low[column],
                high=row.high[column],
                mark=mark,
                p=p,
                images=row.scored[column],
                short=row.scored[column] > 0 and (place, column) not in samples,
            )
    return Comparison(
        classifier=classifier,
        subset=subset,
        images=most if photos is not None else len(results.images if subset == "all" else results.subset_images),
        rows=rows,
        baselines=baselines,
        columns=tuple(common),
        scored={column: len(images) for column, images in common.items()},
        cells=cells,
        firsts=firsts,
        reference=start,
        versus=against_reference,
    )


def compare_all(results: Results, classifier: str, reference: str | None = None) -> list[Comparison]:
    """The tables of a classifier: all images, then the shared ones where there is such a subset."""
    subsets = ["all", *(["shared"] if results.subset_images else [])]
    found = (compare(results, classifier, subset, reference) for subset in subsets)
    return [comparison for comparison in found if comparison is not None]


def _order(results: Results, rows: Sequence[Row], columns: Collection[str]) -> list[int]:
    headline = next((column for column in HEADLINES if column in columns), None)

    def key(index: int) -> tuple[bool, bool, float]:
        value = rows[index].mean[headline] if headline else math.nan
        return is_baseline(results, rows[index]), math.isnan(value), 0.0 if math.isnan(value) else -value

    return sorted(range(len(rows)), key=key)


def _best(column: str, rows: Sequence[Row], samples: Samples, rivals: range) -> int | None:
    direction = COLUMNS[column].higher_is_better
    means = {row: rows[row].mean[column] for row in rivals if (row, column) in samples}
    means = {row: mean for row, mean in means.items() if math.isfinite(mean)}
    if direction is None or not means:
        return None
    return (max if direction else min)(means, key=means.__getitem__)


def _tested(
    samples: Samples, against: dict[str, int | None], rivals: range, seed: int
) -> dict[tuple[int, str], tuple[float, float]]:
    """Mean difference to, and Holm's p against, one row for each column."""
    differences: dict[tuple[int, str], NDArray[np.float64]] = {}
    for column, other in against.items():
        for row in rivals:
            if other is not None and row != other and (row, column) in samples and (other, column) in samples:
                a, b = samples[row, column], samples[other, column]
                # Both infinitely bad: no difference.
                with np.errstate(invalid="ignore"):
                    differences[row, column] = np.where(a == b, 0.0, a - b)
    p: dict[tuple[int, str], float] = {}
    # The signs depend on the number of images alone, so columns of equal length are tested together.
    for count in {len(each) for each in differences.values()}:
        keys = [key for key, each in differences.items() if len(each) == count]
        p |= zip(keys, sign_flips(np.stack([differences[key] for key in keys], 1), seed=seed).tolist(), strict=True)
    found = {}
    for column in against:
        keys = [key for key in differences if key[1] == column]
        for key, corrected in zip(keys, holm([p[key] for key in keys]), strict=True):
            found[key] = (float(differences[key].mean()), corrected)
    return found


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in their order: the i-th smallest of m times (m − i + 1), never
    below the one before it and at most 1. NaN stays NaN and does not count."""
    order = sorted((index for index, p in enumerate(values) if p == p), key=lambda index: values[index])
    corrected, highest = [float("nan")] * len(values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, values[index] * (len(order) - place)))
        corrected[index] = highest
    return corrected
