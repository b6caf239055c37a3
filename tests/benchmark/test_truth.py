from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from explanans.benchmark import calling
from explanans.benchmark.calling import HELD_OUT
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings
from explanans.benchmark.truth import TruthCaller
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError


def test_the_segmentation_of_the_classes_asked_for(val: LabelledImages) -> None:
    caller = TruthCaller("ground_truth", 0, val, None)
    images = torch.stack([val[index]["image"] for index in (3, 1)])
    targets = torch.stack([val[index]["labels"] for index in (3, 1)])
    called = caller(images, targets, [3, 1])
    assert called.errors == ["", ""]
    for n, index in enumerate((3, 1)):
        for c in range(len(val.classes)):
            expected = (val[index]["segmentation"] == c + 1) & bool(val[index]["labels"][c])
            assert torch.equal(called.maps[n, c], expected.to(images.dtype))
    assert caller(images, torch.zeros_like(targets), [3, 1]).maps.count_nonzero() == 0


def test_of_many_classes_those_that_are_asked_for(val: LabelledImages, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = TruthCaller("ground_truth", 0, val, None)
    images, targets = (torch.stack([val[index][key] for index in (3, 1)]) for key in ("image", "labels"))  # type: ignore[literal-required]
    every = caller(images, targets, [3, 1])
    monkeypatch.setattr(calling, "WHOLE", 2)
    few = caller(images, targets, [3, 1])
    assert few.columns is not None
    assert few.columns.tolist() == targets.any(0).nonzero().flatten().tolist()
    assert torch.equal(few.maps, every.maps[:, few.columns])
    assert few.maps.any()


def test_images_of_the_threshold_split_are_asked_for_by_its_name(scenes: Path, val: LabelledImages) -> None:
    caller = TruthCaller("ground_truth", 0, val.subset([0]), val.subset([4, 5]))
    sample = val[5]
    maps = caller(sample["image"][None], sample["labels"][None], [1], HELD_OUT).maps
    present = sample["labels"].bool()
    expected = torch.stack([(sample["segmentation"] == c + 1) & present[c] for c in range(len(val.classes))])
    assert torch.equal(maps[0], expected.to(maps.dtype))


def test_without_segmentations(scenes: Path, explanandum: Explanandum, val: LabelledImages) -> None:
    bare = open_dataset(f"scenes:{scenes}", "val", preprocessing=explanandum.preprocessing, segmentation=False)
    with pytest.raises(InputError, match="segmentations"):
        TruthCaller("ground_truth", 0, bare, None)


def test_a_perfect_row_without_a_cost(make_settings: Callable[..., BenchmarkSettings], tmp_path: Path) -> None:
    groups = ["segmentation", "specificity", "sanity", "sensitivity"]
    methods = {"ground_truth": {}, "constant_seen": {"without": ["sanity"]}}
    settings = make_settings(methods, metrics=groups, threshold_split="train")
    results = run_benchmark(settings, tmp_path / "out")
    columns = ("iou_soft", "f1_soft", "iou_best", "average_precision", "pointing", "max_sensitivity")
    truth, seen = results.summary(*columns, "specificity_gap")
    assert (truth.title, seen.title) == ("ground truth", "whole image if seen")
    assert [truth.mean[column] for column in columns] == pytest.approx([1, 1, 1, 1, 1, 0])
    assert -1 <= truth.mean["specificity_gap"] <= 1
    assert results.sanity("tiny", "ground_truth") is None
    assert results.costs("tiny", "ground_truth") is None
