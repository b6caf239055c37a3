from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torchmetrics import Metric

from explanans import metrics
from explanans.metrics.shared.base import ImageMean

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
    return {
        "mask": mask, "target": target, "valid": torch.rand(COUNT, 12, 12, generator=generator) < 0.9,
        "labels": labels, "images": images, "background": torch.zeros_like(images), "whole": whole, "kept": kept,
        "maps": mask, "second": mask.flip(0), "probabilities": kept,
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
]


def test_every_metric_is_listed() -> None:
    classes = {value for value in vars(metrics).values() if isinstance(value, type) and issubclass(value, Metric)}
    # Two draw at random and one is no mean over images; their own tests merge them.
    others = {metrics.Road, metrics.MaxSensitivity, metrics.ClassSpecificity}
    assert classes == {metric for metric, _ in CASES} | others
    for metric in classes - {metrics.BestThreshold}:
        assert isinstance(metric.higher_is_better, bool), metric


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
