"""See it work, in minutes and without a download.

Generates pictures of textured shapes, trains a small classifier and an Explainer for it from scratch, compares its
masks with Grad-CAM's on unseen pictures, and writes a page that shows it all. Repeat the command after an interruption:
it goes on.
"""

from __future__ import annotations

from typing import Literal

from jsonargparse import ArgumentParser

from explanans.benchmark import Results
from explanans.cli.options import add_function, plain_output
from explanans.pipelines.demo import FULL, QUICK, peak_memory, run_demo
from explanans.utils.tables import aligned


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, demo)


def demo(
    out: str = "demo",
    seed: int = 0,
    quick: bool = False,
    threads: int | Literal["auto"] = "auto",
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        out: Folder for pictures, networks and report.html.
        seed: Another seed gives other pictures and other networks.
        quick: A minute's trial with few pictures and rough masks.
        threads: That compute on the processor; "auto" has no more than cores are free, and OMP_NUM_THREADS wins over
            it. With the same number the figures repeat to the digit.
        quiet: Print nothing.
    """
    with plain_output(quiet):
        result = run_demo(out, seed=seed, recipe=QUICK if quick else FULL, threads=threads, progress=not quiet)
        spent = sum(result.seconds.values())
        print(f"\n{_table(result.results)}\n")
        print(f"{spent:.0f} seconds, {peak_memory():.1f} GB at most. Open {result.report.resolve().as_uri()}")
    return 0


run = demo


def _table(results: Results) -> str:
    scores = ("iou_soft", "iou_best", "f1_soft", "saliency")
    rows = []
    for row in results.summary(*scores):
        cost = results.costs(row.classifier, row.method) or {}
        figures = [f"{row.mean[name]:.3f}" for name in scores]
        rows.append([row.title, *figures, f"{cost['ms_per_image']:.1f}" if "ms_per_image" in cost else "–"])
    header = ["method", "soft IoU", "IoU at best t", "soft F1", "saliency (low: good)", "ms per picture"]
    return aligned(header, rows)
