"""Which photos are shown, nobody choosing them: the first of the list, then those where methods disagree most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explanans.benchmark.report.photos import Maps
from explanans.benchmark.results import Results
from explanans.data import LabelledImages

UNSELECTED, DISAGREEING = 6, 4
"""Photos of each kind."""

WIDTHS = (184, 160, 132, 108, 88)
"""Pixels that a cell is stored with; the first that keeps the grid within its budget."""

RANKED_BY = ("iou_soft", "f1_soft", "iou_mean", "insertion", "kept", "saliency")
"""The first of these that was measured says where methods disagree."""


@dataclass(frozen=True)
class Grid:
    """Markup of the photos of one classifier.

    Attributes:
        unselected, disagreeing: cards; the second in the order of their disagreement.
        metric: what disagreement was measured in; None where nothing was.
        kept: how many images have maps.
    """

    unselected: list[str]
    disagreeing: list[str]
    metric: str | None
    kept: int


def draw_grid(
    results: Results,
    classifier: str,
    methods: Sequence[str],
    data: LabelledImages,
    budget: int,
) -> Grid:
    """Cards for the first photos of the list, and for those of the others on which the methods disagree most.

    Only photos whose maps the benchmark kept can be shown.

    Args:
        methods: in the order in which they are shown; their disagreement counts.
        data: has the images by their names, and the classifier's classes.
        budget: bytes of markup; cells are made smaller to keep it.
    """
    maps = Maps.read(results, classifier, methods, data)
    kept = [name for name in results.images if name in maps.places and any(name in each for each in maps.maps.values())]
    metric, spread = disagreement(results, classifier, methods)
    ranked = sorted((name for name in kept[UNSELECTED:] if name in spread), key=lambda name: -spread[name])
    for width in WIDTHS:
        first = [maps.card(name, width) for name in kept[:UNSELECTED]]
        others = [maps.card(name, width, f"variance {spread[name]:.3f}") for name in ranked[:DISAGREEING]]
        if sum(map(len, first + others)) <= budget:
            break
    return Grid(first, others, metric, len(kept))


def disagreement(results: Results, classifier: str, methods: Sequence[str]) -> tuple[str | None, dict[str, float]]:
    """The metric, and for each image its variance over the methods, where two or more were scored."""
    for metric in RANKED_BY:
        scores: dict[int, list[float]] = {}
        for method in methods:
            for index, value in zip(*results.values(metric, classifier, method), strict=True):
                scores.setdefault(int(index), []).append(float(value))
        spread = {
            results.images[index]: float(np.var(values))
            for index, values in scores.items()
            if len(values) > 1 and np.isfinite(values).all()
        }
        if spread:
            return metric, spread
    return None, {}
