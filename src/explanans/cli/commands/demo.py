"""See it work, in minutes and without a download.

First real photos, with a classifier of 1,000 classes and nothing trained (pip install 'explanans[sample]'). Then it
generates pictures of textured shapes, trains a small classifier and an Explainer for it from scratch, compares its
masks with Grad-CAM's on unseen pictures, and writes a page that shows it all. Repeat the command after an interruption:
it goes on.
"""

from __future__ import annotations

from pathlib import Path

from explanans.benchmark import Results
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.errors import InputError
from explanans.pipelines.demo import FULL, QUICK, peak_memory, run_demo
from explanans.pipelines.first_look import first_look
from explanans.training import Run
from explanans.utils.tables import aligned

PARTS = (Part(run_demo, without=("recipe", "progress")),)


def run(given: Given, quick: bool = False) -> int:
    """Run it.

    Args:
        quick: a minute's trial with few pictures and rough masks.
    """
    # Before anything is explained or drawn.
    Run(seed=given["seed"], threads=given["threads"])
    if Path(given["out"]).is_file():
        raise InputError(f"out={given['out']} is a file; name a folder.")
    say("Real photos and a classifier of 1,000 classes; nothing is trained for these")
    try:
        page = first_look(Path(given["out"]), say=say)
        say(f"     all of them beside Grad-CAM: {page.resolve().as_uri()}")
    except InputError as error:
        say(f"     left out: {error}")
    result = given.call(run_demo, recipe=QUICK if quick else FULL, progress=not given["quiet"])
    spent = sum(result.seconds.values())
    say(f"\n{_table(result.results)}\n")
    say(f"{spent:.0f} seconds, {peak_memory():.1f} GB at most. Open {result.report.resolve().as_uri()}")
    return 0


def _table(results: Results) -> str:
    scores = ("iou_soft", "iou_best", "f1_soft", "saliency")
    rows = []
    for row in results.summary(*scores):
        cost = results.costs(row.classifier, row.method) or {}
        figures = [f"{row.mean[name]:.3f}" for name in scores]
        rows.append([row.title, *figures, f"{cost['ms_per_image']:.1f}" if "ms_per_image" in cost else "–"])
    header = ["method", "soft IoU", "IoU at best t", "soft F1", "saliency (low: good)", "ms per picture"]
    return aligned(header, rows)
