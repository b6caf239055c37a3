"""The figures of a benchmark's page, each a piece of markup: cost, curves, specificity, sanity, failures."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report import page as html
from explanans.benchmark.report.comparison import Comparison
from explanans.benchmark.report.heatmaps import diagonal_and_rest, heat_map, scale
from explanans.benchmark.report.lines import lines
from explanans.benchmark.report.scatter import scatter
from explanans.benchmark.results import Results

QUALITIES = ("class_iou_soft", "iou_soft", "specificity_gap", "insertion", "kept")
"""What is drawn against cost, the first three of these that were measured."""

FAILURES = 12
"""Messages that are shown for a method."""


def titles(results: Results) -> dict[str, str]:
    return {method: results.title(method) for method in results.methods}


def cost_figures(results: Results, comparison: Comparison, bright: Sequence[str]) -> list[str]:
    """Quality against milliseconds for a photo, for each method but baselines, in its own normalisation."""
    drawn = []
    for column in [each for each in QUALITIES if each in comparison.columns][:3]:
        points = {}
        for row in (row for row in comparison.own if row in comparison.competitors):
            method, cell = comparison.rows[row].method, comparison.cells[row, column]
            cost = (results.costs(comparison.classifier, method) or {}).get("ms_per_image")
            if cost and not cell.missing and math.isfinite(cell.mean):
                points[method] = (float(cost), cell.mean, cell.low, cell.high)
        if points:
            title = f"{COLUMNS[column].title} against time"
            across, up = "ms per image", COLUMNS[column].heading
            markup = scatter(points, titles(results), bright, title=title, across=across, up=up)
            caption = f"{title}: {'high' if COLUMNS[column].higher_is_better else 'low'} and left is good."
            drawn.append(html.figure(markup, caption))
    return drawn


def threshold_figures(results: Results, comparison: Comparison, bright: Sequence[str]) -> list[str]:
    thresholds = results.settings["curve_thresholds"]
    # A hundred points tell no more than twenty.
    step = max(1, len(thresholds) // 25)
    drawn = []
    for column, name in (("f1_curve", "F1"), ("iou_curve", "IoU")):
        series = {
            method: curve[::step] for method, curve in mean_curves(results, comparison, column, len(thresholds)).items()
        }
        if series:
            title = f"{name} over thresholds"
            markup = lines(
                series, thresholds[::step], titles(results), bright, title=title, across="threshold", up=f"{name} ↑"
            )
            drawn.append(html.figure(markup, f"Mean {name} of the mask cut at each threshold."))
    return drawn


def insertion_figures(results: Results, comparison: Comparison, bright: Sequence[str]) -> list[str]:
    drawn = []
    for column, name, arrow in (("insertion_curve", "Insertion", "↑"), ("deletion_curve", "Deletion", "↓")):
        series = mean_curves(results, comparison, column)
        if series:
            points = np.linspace(0, 1, len(next(iter(series.values())))).tolist()
            verb = "shown, the most important first" if name == "Insertion" else "removed, the most important first"
            markup = lines(
                series,
                points,
                titles(results),
                bright,
                title=f"{name} curves",
                across=f"share of pixels {verb.split(',')[0]}",
                up=f"probability of the labels {arrow}",
            )
            high = "high" if name == "Insertion" else "low"
            drawn.append(html.figure(markup, f"{name}: pixels are {verb}; a curve that is {high} early is good."))
    return drawn


def mean_curves(
    results: Results, comparison: Comparison, column: str, length: int | None = None
) -> dict[str, NDArray[np.float64]]:
    """The mean over the images of a column of lists, by method, in its own normalisation; none for a method that was
    computed on fewer images than another."""
    found, sizes = {}, {}
    for row in comparison.own:
        method = comparison.rows[row].method
        table = results.rows(comparison.classifier, method, subset=comparison.subset)
        table = table.filter(pc.is_valid(table[column]))
        if len(table):
            values = np.array(table[column].to_pylist(), float)
            if length is None or values.shape[1] == length:
                found[method], sizes[method] = values.mean(0), len(table)
    most = max(sizes.values(), default=0)
    return {method: values for method, values in found.items() if sizes[method] == most}


def specificity_figures(results: Results, comparison: Comparison, leave_out: Collection[str] = ()) -> list[str]:
    """A heat map for each method that is not left out, the most specific first, all on one scale."""
    if "specificity_gap" not in comparison.columns:
        return []
    classes = results.classes(comparison.classifier)
    matrices = {}
    for row in comparison.own:
        found, cell = comparison.rows[row], comparison.cells[row, "specificity_gap"]
        if found.method not in leave_out and not cell.missing and not cell.short:
            matrices[row] = results.specificity(
                comparison.classifier, found.method, found.normalisation, comparison.subset
            )
    if not matrices:
        return []
    highest = max(float(np.nanmax(matrix, initial=0)) for matrix in matrices.values()) or 1.0
    cards = []
    for row in sorted(matrices, key=lambda row: -comparison.cells[row, "specificity_gap"].mean):
        title = results.title(comparison.rows[row].method)
        cell = comparison.cells[row, "specificity_gap"]
        own, others = diagonal_and_rest(matrices[row])
        caption = (
            f"diagonal {100 * own:.1f}, elsewhere {100 * others:.1f}; class specificity {100 * cell.mean:.1f} "
            f"({100 * cell.low:.1f} to {100 * cell.high:.1f})"
        )
        drawn = heat_map(matrices[row], classes, highest, f"Class specificity of {title}")
        cards.append(html.group("matrix", [html.heading(title, 3), drawn, html.paragraph(caption, "soft")]))
    return [scale(highest), html.group("matrices", cards)]


def failures(results: Results, comparisons: Sequence[Comparison]) -> list[str]:
    """For each method with images that failed, how many and why, on all images that it saw."""
    said = []
    widest: dict[str, tuple[Comparison, int]] = {}
    for comparison in comparisons:
        for row in comparison.own:
            widest.setdefault(comparison.rows[row].method, (comparison, row))
    for comparison, row in widest.values():
        found = comparison.rows[row]
        if not found.failed + found.nan:
            continue
        table = results.rows(comparison.classifier, found.method, found.normalisation, comparison.subset)
        columns = (table[name].to_pylist() for name in ("image", "status", "error"))
        bad = [(name, status, error) for name, status, error in zip(*columns, strict=True) if status != "ok"]
        shown = [f"{name}: {status}" + (f", {error}" if error else "") for name, status, error in bad[:FAILURES]]
        more = [f"… and {len(bad) - FAILURES} more"] if len(bad) > FAILURES else []
        title = f"{results.title(found.method)}: {found.failed} failed, {found.nan} NaN"
        said.append(html.details(title, html.code([*shown, *more])))
    return said
