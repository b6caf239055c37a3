"""Measure attribution methods side by side: the same images, the same scores, cost beside quality.

What to do comes from a YAML file (--config; see examples/voc2012-animals/benchmark.yaml) or from options, such as
--classifiers.mine runs/classifier/classifier --data voc:PATH --methods.grad_cam '{}'. Repeat the command after an
interruption: finished parts are kept. Methods may be added to a folder later. The exit status is 1 if a method failed
on any image; such images count with the worst value and are listed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.baselines import warning
from explanans.benchmark.report.benchmark_page import write_report
from explanans.benchmark.results import Results
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings
from explanans.benchmark.summary_row import Row
from explanans.benchmark.timetable import followed
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.utils.tables import aligned

SHOWN = (
    *("class_iou_soft", "iou_soft", "iou_best", "f1_soft", "saliency", "kept", "removed", "specificity_gap"),
    *("grid_pointing", "insertion", "deletion"),
)
"""Columns of the table that is printed, where they were asked for; everything is in the files."""

FAILURES = 10


PARTS = (Part(BenchmarkSettings),)


def run(given: Given, out: str = "runs/benchmark", report: bool = True) -> int:
    """Measure.

    Args:
        out: result folder, new or of an earlier run.
        report: write the tables and report.html too.
    """
    with followed(show=not given["quiet"]) as timetable:
        results = run_benchmark(given.call(BenchmarkSettings), out, timetable)
    say(_table(results))
    if report:
        page = write_report(results, Path(out), show=not given["quiet"])
        say(f"open {page.resolve().as_uri()}")
    say(f"results in {out}; again as tables and a page: explanans report {out}")
    return _report_failures(results)


def _table(results: Results) -> str:
    """Means with half the width of their interval, and milliseconds per image, for each set of images by itself."""
    parts = []
    for classifier in results.classifiers:
        for subset in ["all", *(["shared"] if results.subset_images else [])]:
            rows = results.summary(*SHOWN, subset=subset, classifier=classifier)
            if not rows:
                continue
            # A score that was asked for on the shared images alone stands in their table, not beside means over all.
            shown = [name for name in SHOWN if any(row.scored[name] == row.images for row in rows)]
            lines = [[row.title, *(_cell(row, name) for name in shown), _milliseconds(results, row)] for row in rows]
            header = ["method", *(COLUMNS[name].heading for name in shown), "ms per image"]
            images = max(row.images for row in rows)
            parts.append(f"{classifier}, {images} images ({subset})\n{aligned(header, lines)}")
            if text := warning(results, rows):
                parts.append(text)
    return "\n\n".join(parts)


def _cell(row: Row, name: str) -> str:
    if row.scored[name] < row.images:
        return "–"
    return f"{COLUMNS[name].format.format(row.mean[name])} ±{(row.high[name] - row.low[name]) / 2:.3f}"


def _milliseconds(results: Results, row: Row) -> str:
    cost = results.costs(row.classifier, row.method) or {}
    return f"{cost['ms_per_image']:,.1f}" if "ms_per_image" in cost else "–"


def _report_failures(results: Results) -> int:
    """Exit status; what failed is listed on standard error."""
    failures = [
        line
        for classifier in results.classifiers
        for method in results.methods
        for line in _failures(results, classifier, method)
    ]
    for line in failures[:FAILURES]:
        say(f"failed: {line}", sys.stderr)
    if len(failures) > FAILURES:
        say(f"… and {len(failures) - FAILURES} more; they are in {results.folder / 'scores'}", sys.stderr)
    return 1 if failures else 0


def _failures(results: Results, classifier: str, method: str) -> list[str]:
    """A line for each failure, once where it is the same under every normalisation."""
    lines: dict[str, None] = {}
    cost = results.costs(classifier, method) or {}
    if "error" in cost:
        lines[f"{classifier}, {method}, when its cost was measured: {cost['error']}"] = None
    for step in results.normalisations(method):
        for row in results.rows(classifier, method, step).select(["image", "status", "error"]).to_pylist():
            if row["status"] != "ok":
                reason = row["error"] or "the map or its score is NaN"
                lines[f"{classifier}, {method}, {row['image']}: {reason}"] = None
    return list(lines)
