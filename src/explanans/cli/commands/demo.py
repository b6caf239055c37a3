"""See it work, in minutes and without a download.

Generates pictures of textured shapes, trains a small classifier and an Explainer for it from scratch, compares its
masks with Grad-CAM's on unseen pictures, and writes a page that shows it all. Repeat the command after an interruption:
it goes on.
"""

from __future__ import annotations

import math

from explanans.benchmark import Evaluation
from explanans.benchmark.report.demo import NAMES
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.pipelines.demo import FULL, QUICK, peak_memory, run_demo
from explanans.utils.tables import aligned

PARTS = (Part(run_demo, without=("recipe", "progress")),)


def run(given: Given, quick: bool = False) -> int:
    """Run it.

    Args:
        quick: a minute's trial with few pictures and rough masks.
    """
    result = given.call(run_demo, recipe=QUICK if quick else FULL, progress=not given["quiet"])
    spent = sum(result.seconds.values())
    say(f"\n{_table(result.evaluation)}\n")
    say(f"{spent:.0f} seconds, {peak_memory():.1f} GB at most. Open {result.report.resolve().as_uri()}")
    return 0


def _table(evaluation: Evaluation) -> str:
    rows = []
    for result in evaluation.rows:
        scores = result.scores
        best = scores.get("iou_best", math.nan)
        figures = [scores["iou_soft"], best, scores["f1_soft"], scores["saliency"]]
        name = NAMES.get(result.method, result.method)
        rows.append([name, *(f"{value:.3f}" for value in figures), f"{1000 * result.seconds_per_image:.1f}"])
    header = ["method", "soft IoU", "IoU at best t", "soft F1", "saliency (low: good)", "ms per picture"]
    return aligned(header, rows)
