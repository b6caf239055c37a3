"""Masks that are cut by asking are those of ``explain``, in a benchmark too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.benchmark.cut_maps import CutMaps, without_cut
from explanans.benchmark.plan import make_plan
from explanans.benchmark.record import record_of
from explanans.benchmark.runner import run_benchmark
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.explanations.by_method import ByMethod
from explanans.methods import make_method


def test_masks_are_those_of_explain(explanandum: Explanandum, val: LabelledImages) -> None:
    images = torch.stack([val[index]["image"] for index in range(2)])
    asked = torch.zeros(2, explanandum.num_classes, dtype=torch.bool)
    asked[0, 1] = asked[1, 0] = asked[1, 2] = True
    cut = CutMaps(explanandum, make_method("grad_cam", explanandum))
    masks = cut(images, asked)
    _, draw = ByMethod(explanandum, "grad_cam").look(images)
    torch.testing.assert_close(masks[asked], draw(asked), rtol=1e-3, atol=1e-5)
    assert not masks[~asked].any()
    assert isinstance(without_cut(cut), type(make_method("grad_cam", explanandum)))


def test_a_benchmark_scores_the_masks(make_settings, tmp_path: Path) -> None:
    methods = {"raw": {"method": "evidence"}, "mask": {"method": "evidence", "cut": True}}
    settings = make_settings(methods, metrics=["segmentation"], limit=2, also_normalise=["minmax"])
    plan = make_plan(settings)
    raw, mask = plan.tasks
    assert mask.title == f"{raw.title}, cut by asking"
    assert mask.normalisations == ("raw", "minmax")
    record = record_of(settings, plan)["methods"]
    assert record["mask"]["cut"] is True
    assert "cut" not in record["raw"]
    results = run_benchmark(settings, tmp_path)
    rows = {name: results.rows("tiny", name, "raw").to_pylist() for name in methods}
    assert [row["iou_50"] for row in rows["raw"]] != [row["iou_50"] for row in rows["mask"]]
    assert all(0 < row["area"] < 1 for row in rows["mask"])


def test_what_looks_at_no_picture_is_not_cut(make_settings) -> None:
    with pytest.raises(InputError, match=r"methods\.ground_truth\.cut: ground_truth looks at no picture"):
        make_settings({"ground_truth": {"cut": True}})
