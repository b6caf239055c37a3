"""Where a mask that looks at nothing is as good as the methods, and what that says about a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.results import Results
from explanans.benchmark.summary_row import Row

TRUTH = "ground_truth"
BLIND = "constant"
"""Methods whose names begin so explain nothing."""

OVERLAPS = (
    *("class_iou_soft", "class_iou_mean", "class_iou_best", "voc_miou", "voc_miou_predicted"),
    *("iou_soft", "iou_mean", "iou_best", "f1_soft", "f1_mean", "f1_best"),
)
"""Scores that a mask of nothing but ones, or of nothing at all, should not win. Others it wins by what they ask: the
whole picture keeps all of a class."""


@dataclass(frozen=True)
class Blind:
    """The best mask that explains nothing, at one score.

    Attributes:
        column: the score.
        row: the constant's.
        best: the best method's.
        below: the methods, in their own normalisation, that are worse than the constant.
    """

    column: str
    row: Row
    best: Row
    below: tuple[Row, ...]

    @property
    def wins(self) -> bool:
        """Whether it is at least as good as every method."""
        sign = 1 if COLUMNS[self.column].higher_is_better else -1
        return sign * self.row.mean[self.column] >= sign * self.best.mean[self.column]


def is_baseline(results: Results, row: Row) -> bool:
    """Whether a row explains nothing, or knows the answer; it is there to measure against."""
    return results.settings["methods"][row.method]["method"].startswith((BLIND, TRUTH))


def best_blind(results: Results, rows: Sequence[Row], column: str) -> Blind | None:
    """Of rows on the same images; None where no constant, or no method, was scored on as many as any other."""
    most = max((row.scored[column] for row in rows), default=0)
    known = [row for row in rows if row.scored[column] == most > 0 and math.isfinite(row.mean[column])]
    blind = [row for row in known if _is_blind(results, row)]
    methods = [row for row in known if not is_baseline(results, row)]
    if not blind or not methods:
        return None
    sign = 1 if COLUMNS[column].higher_is_better else -1

    def quality(row: Row) -> float:
        return sign * row.mean[column]

    constant = max(blind, key=quality)
    own = [row for row in methods if row.normalisation == results.normalisations(row.method)[0]]
    below = tuple(row for row in own if quality(row) < quality(constant))
    return Blind(column, constant, max(methods, key=quality), below)


def warning(results: Results, rows: Sequence[Row]) -> str:
    """A sentence for the reader where a constant mask is at least as good as every method; "" where none is.

    Args:
        rows: of one classifier on one set of images.
    """
    found = [best_blind(results, rows, column) for column in _overlaps(rows)]
    beaten = [each for each in found if each is not None and each.wins]
    if not beaten:
        return ""
    said = []
    for each in beaten:
        form = COLUMNS[each.column].format
        ours, theirs = form.format(each.row.mean[each.column]), form.format(each.best.mean[each.column])
        said.append(f"{COLUMNS[each.column].title} ({each.row.title} {ours}, the best method {theirs})")
    return (
        f"Beware: a mask that looks at nothing is at least as good as every method in {'; '.join(said)}. On these "
        "images such a score tells nobody what a method is worth. Where labels such as sky or grass fill the picture, "
        "name them as background (--background '[sky, grass]') and measure into a new folder."
    )


def advice(results: Results, rows: Sequence[Row]) -> str:
    """What to measure as well where overlaps were and no constant mask was; "" where one was."""
    if not _overlaps(rows) or any(_is_blind(results, row) for row in rows):
        return ""
    return (
        "No constant mask stands beside the methods, so nobody can tell what these overlaps are worth: add constant_1 "
        "to the methods and repeat the command."
    )


def _is_blind(results: Results, row: Row) -> bool:
    return results.settings["methods"][row.method]["method"].startswith(BLIND)


def _overlaps(rows: Sequence[Row]) -> list[str]:
    return [column for column in OVERLAPS if any(row.scored.get(column) for row in rows)]
