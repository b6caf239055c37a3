"""Scores by kind of photo: one label or several, small objects or large."""

from __future__ import annotations

import math

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.comparison import Comparison
from explanans.benchmark.results import Results
from explanans.benchmark.slices import SLICES
from explanans.benchmark.summary_row import Row

SPLIT = ("class_iou_soft", "voc_miou", "boundary_iou", "kept")
"""Scores that are shown so, where they were measured."""


def kind_tables(results: Results, comparison: Comparison) -> dict[str, tuple[list[str], list[list[str]]]]:
    """For each score header and lines of a table: a line for each method in its own normalisation, kinds across.

    A kind without a photo is left out.
    """
    columns = [column for column in SPLIT if column in comparison.columns]
    if not columns:
        return {}
    own = {(comparison.rows[row].method, comparison.rows[row].normalisation): row for row in comparison.own}
    found: dict[str, dict[int, Row]] = {}
    for photos in SLICES:
        rows = results.summary(
            *columns, subset=comparison.subset, classifier=comparison.classifier, photos=photos, steps="own"
        )
        if rows:
            found[photos] = {own[row.method, row.normalisation]: row for row in rows}
    tables = {}
    for column in columns:
        header = ["method", *(f"{photos} ({max(row.images for row in found[photos].values())})" for photos in found)]
        lines = [
            [
                results.title(comparison.rows[row].method),
                *(_cell(found[photos].get(row), column) for photos in found),
            ]
            for row in comparison.own
        ]
        tables[COLUMNS[column].heading] = (header, lines)
    return tables


def _cell(row: Row | None, column: str) -> str:
    if row is None or math.isnan(row.mean[column]):
        return "–"
    form = COLUMNS[column].format
    return f"{form.format(row.mean[column])} ±{form.format((row.high[column] - row.low[column]) / 2)}"
