from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torchmetrics import Metric

from explanans import metrics
from explanans.metrics.shared.base import METRICS, ImageMean, listed

COUNT = 6


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(COUNT, 12, 12, generator=generator)
    mask[4, 0, 0] = torch.nan
    labels = torch.tensor([[1, 0], [0, 1], [1, 1]]).repeat(2, 1)
    images = torch.rand(COUNT, 3, 12, 12, generator=generator)
    target = torch.rand(COUNT, 12, 12, generator=generator) < 0.3
    target[1] = False
    whole, kept = torch.rand(2, COUNT, 2, generator=generator)
    kept[4] = torch.nan
    return {
        "mask": mask, "target": target, "valid": torch.rand(COUNT, 12, 12, generator=generator) < 0.9,
        "labels": labels, "images": images, "background": torch.zeros_like(images), "whole": whole, "kept": kept,
        "maps": mask, "second": mask.flip(0), "probabilities": kept, "masks": torch.stack([mask, mask], 1),
        "segmentation": torch.randint(3, mask.shape, generator=generator).to(torch.uint8),
        "cells": torch.arange(COUNT) % 4,
    }  # fmt: skip


OVERLAP, EVIDENCE = ("mask", "target", "valid"), ("whole", "kept", "labels")
CURVE = ("classify", "images", "maps", "labels", "background")
CASES: list[tuple[Callable[..., Metric], tuple[str, ...]]] = [
    (metrics.SoftAccuracy, OVERLAP),
    (metrics.SoftF1, OVERLAP),
    (metrics.SoftIoU, OVERLAP),
    (metrics.BinarisedF1, OVERLAP),
    (metrics.BinarisedIoU, OVERLAP),
    (metrics.BestThreshold, OVERLAP),
    (metrics.RocAuc, OVERLAP),
    (metrics.AveragePrecision, OVERLAP),
    (metrics.ObjectCoverage, OVERLAP),
    (metrics.BackgroundCoverage, OVERLAP),
    (metrics.MaskArea, ("mask", "valid")),
    (metrics.PointingGame, ("maps", "target", "valid")),
    (metrics.EnergyPointingGame, ("maps", "target", "valid")),
    (metrics.SaliencyMetric, ("mask", "probabilities", "labels")),
    (metrics.KeptProbability, ("kept", "labels")),
    (metrics.RemovedProbability, ("kept", "labels")),
    (metrics.AverageDrop, EVIDENCE),
    (metrics.AverageIncrease, EVIDENCE),
    (metrics.Insertion, CURVE),
    (metrics.Deletion, CURVE),
    (metrics.MapSimilarity, ("maps", "second")),
    (metrics.BoundaryIoU, OVERLAP),
    (metrics.BoundaryF1, OVERLAP),
    (metrics.TolerantF1, OVERLAP),
    (metrics.ClassIoU, ("masks", "segmentation", "labels")),
    (metrics.BinarisedClassIoU, ("masks", "segmentation", "labels")),
    (metrics.GridPointing, ("maps", "cells")),
]


def test_every_metric_is_listed() -> None:
    classes = {value for value in vars(metrics).values() if isinstance(value, type) and issubclass(value, Metric)}
    # Two draw at random and two are no mean over images; their own tests merge them.
    others = {metrics.Road, metrics.MaxSensitivity, metrics.ClassSpecificity, metrics.VocMIoU}
    assert classes == {metric for metric, _ in CASES} | others == {entry.build for entry in METRICS.values()}
    for metric in classes - {metrics.BestThreshold}:
        assert isinstance(metric.higher_is_better, bool), metric


def test_what_the_classes_say_of_themselves() -> None:
    entry = METRICS["insertion"]
    assert (entry.build, entry.title, entry.higher_is_better) == (metrics.Insertion, "insertion AUC", True)
    assert entry.needs == ("classify", "images", "maps", "labels", "background")
    assert METRICS["soft_iou"].needs == ("mask", "target")
    assert METRICS["map_similarity"].higher_is_better is False
    with pytest.raises(ValueError, match="'soft_iou' is taken"):
        listed("soft_iou", "any")


ORDER = (
    *("classify", "explain", "images", "mask", "maps", "masks", "first", "second", "target", "valid"),
    *("segmentation", "cells", "scores", "counts", "whole", "kept", "removed", "probabilities", "labels", "background"),
)
SETTINGS = {"thresholds", "threshold", "tolerance", "steps", "percentages", "radius", "samples", "batch_size", "width"}


def test_all_metrics_take_their_arguments_in_one_order() -> None:
    of_classes = {name: entry.build.update for name, entry in METRICS.items()}
    functions = {name: value for name, value in vars(metrics).items() if inspect.isfunction(value) and name in METRICS}
    assert len(functions) > 15
    for name, function in [*of_classes.items(), *functions.items()]:
        given = [each for each in inspect.signature(function).parameters if each not in ("self", "generator")]
        data = [each for each in given if each not in SETTINGS]
        assert data == sorted(data, key=ORDER.index), name
        # What is measured comes first, how it is measured behind it.
        assert given[: len(data)] == data, name


@pytest.mark.parametrize(("metric", "names"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_an_image_that_cannot_be_scored_counts_with_the_worst_value(metric, names: tuple[str, ...], halves) -> None:
    if metric is metrics.BestThreshold:
        return
    arguments = batch() | {"classify": halves}
    state = metric()
    state.update(*(a[4:5] if isinstance(a, torch.Tensor) else a for a in (arguments[name] for name in names)))
    (entry,) = (each for each in METRICS.values() if each.build is metric)
    found = state.compute()
    for value in found.values() if isinstance(found, dict) else [found]:
        assert float(value) == pytest.approx(entry.worst)
    assert state.nan_count == 1


@pytest.mark.parametrize(("metric", "names"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_the_reduced_states_of_two_processes_are_those_of_one(metric, names: tuple[str, ...], halves) -> None:
    arguments = batch() | {"classify": halves}

    def state_of(rows: slice) -> Metric:
        state = metric()
        for row in range(*rows.indices(COUNT)):
            one = slice(row, row + 1)
            state.update(*(a[one] if isinstance(a, torch.Tensor) else a for a in (arguments[n] for n in names)))
        return state

    whole = metric()
    whole.update(*(arguments[name] for name in names))
    # Six batches of one image, shared between two processes whose states are summed, as a reduction over them does.
    first, second = state_of(slice(0, 4)), state_of(slice(4, COUNT))
    first.merge_state(second)
    for name in ("count", "nan_count", "empty_count"):
        assert getattr(first, name) == getattr(whole, name)
    assert whole.count == COUNT
    torch.testing.assert_close(first.compute(), whole.compute(), rtol=1e-5, atol=1e-6)


class Plain(ImageMean):
    def update(self, *scores: torch.Tensor) -> None:
        self.accumulate(*scores)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric Plain")
def test_no_image_is_dropped() -> None:
    state = Plain(columns=2)
    assert state.compute().isnan()
    state.update(
        torch.tensor([[0.2, 0.4], [0.0, 0.0], [1.0, 0.0]]),
        torch.tensor([False, True, False]),
        torch.tensor([False, True, True]),
    )
    assert state.means().tolist() == pytest.approx([0.4, 0.4 / 3])
    # What is broken is not also empty.
    assert (state.count, state.nan_count, state.empty_count) == (3, 1, 1)
    state.reset()
    assert state.count == 0
