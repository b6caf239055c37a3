from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from explanans import metrics
from explanans.benchmark.calling import HELD_OUT, seed_of
from explanans.benchmark.columns import COLUMNS, CURVE_THRESHOLDS, CURVES, MADE_FROM
from explanans.benchmark.plan import make_plan
from explanans.benchmark.record import record_of
from explanans.benchmark.results import Results
from explanans.benchmark.results_folder import Folder
from explanans.benchmark.runner import _Run, run_benchmark
from explanans.benchmark.timetable import Timetable
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, collate, open_dataset


def test_every_method_sees_the_same_images(done: Results, val: LabelledImages) -> None:
    assert done.images == list(val.names)
    for method in ("evidence", "fails", "nan", "cheap"):
        for step in done.normalisations(method):
            assert done.rows("tiny", method, step)["image"].to_pylist() == list(val.names)
    assert done.rows("tiny", "slow")["image"].to_pylist() == done.subset_images
    assert len(done.subset_images) == 4
    labels = [[name for name, has in zip(val.classes, row, strict=True) if has] for row in val.labels.tolist()]
    assert done.rows("tiny", "evidence")["labels"].to_pylist() == labels


@pytest.mark.parametrize(
    ("method", "status", "message"),
    [("fails", "failed", "RuntimeError: no layer for so bright an image"), ("nan", "nan", "")],
)
def test_a_failure_counts_with_the_worst_value_and_is_never_dropped(
    done: Results, brightest: tuple[int, float], method: str, status: str, message: str
) -> None:
    bad = brightest[0]
    for step in ("raw", "minmax"):
        table = done.rows("tiny", method, step)
        assert table["status"].to_pylist() == ["ok" if n != bad else status for n in range(len(done.images))]
        assert table["error"].to_pylist() == ["" if n != bad else message for n in range(len(done.images))]
        row = table.to_pylist()[bad]
        for name, column in COLUMNS.items():
            if name in ("whole", "object_area", *MADE_FROM, "max_sensitivity") or row[name] is None:
                continue
            assert row[name] == pytest.approx(column.worst), name
        assert row["whole"] == done.rows("tiny", "evidence")["whole"].to_pylist()[bad]
        assert row["f1_curve"] == [CURVES["f1_curve"][1]] * len(CURVE_THRESHOLDS)
        assert row["specificity"] == (1 - np.eye(6)).flatten().tolist()
    # The others score as the method that never fails.
    good = [n for n in range(len(done.images)) if n != bad]
    one, other = (done.rows("tiny", name)["iou_soft"].to_numpy()[good] for name in (method, "evidence"))
    assert one == pytest.approx(other)
    (row,) = [
        row for row in done.summary("iou_soft", subset="all") if (row.method, row.normalisation) == (method, "raw")
    ]
    assert row.images == row.scored["iou_soft"] == len(done.images)
    assert (row.failed, row.nan) == ((1, 0) if status == "failed" else (0, 1))
    assert row.mean["iou_soft"] == pytest.approx(other.sum() / len(done.images))


def test_a_failure_on_every_image_is_counted_too(make_settings, tmp_path: Path) -> None:
    settings = make_settings({"fails": {"settings": {"above": -9.0}}, "evidence": {}}, limit=3, threshold_split="train")
    results = run_benchmark(settings, tmp_path / "out")
    assert results.rows("tiny", "fails")["status"].to_pylist() == ["failed"] * 3
    assert results.costs("tiny", "fails")["error"] == "RuntimeError: no layer for so bright an image"
    assert results.summary("f1_best")[0].mean["f1_best"] == 0.0


def test_a_normalisation_that_a_map_does_not_fit_is_a_failure(make_settings, tmp_path: Path) -> None:
    settings = make_settings({"evidence": {"settings": {"scale": 3.0}, "normalisations": ["minmax", "raw"]}}, limit=2)
    results = run_benchmark(settings, tmp_path / "out")
    assert results.rows("tiny", "evidence", "minmax")["status"].to_pylist() == ["ok", "ok"]
    refused = results.rows("tiny", "evidence", "raw")
    assert refused["status"].to_pylist() == ["failed", "failed"]
    assert "take 'minmax'" in refused["error"].to_pylist()[0]
    assert refused["iou_soft"].to_pylist() == [0.0, 0.0]


def test_scores_class_by_class_are_those_of_the_metrics(done: Results, val: LabelledImages) -> None:
    batch = collate([val[index] for index in range(len(val))])
    labels, segmentation = batch["labels"].bool(), batch["segmentation"]
    masks = batch["image"].mean(1, keepdim=True).sigmoid() * labels[:, :, None, None]
    table = done.rows("tiny", "evidence", "raw")
    assert table["class_iou_soft"].to_numpy() == pytest.approx(
        metrics.class_iou(masks, segmentation, labels).numpy(), abs=1e-6
    )
    (threshold,) = {done.settings["thresholds"]["tiny"]["evidence"]["raw"]}
    found = metrics.segment(masks, labels, threshold)
    expected = metrics.voc_miou(metrics.class_counts(found, segmentation, labels.shape[1])).item()
    row = next(row for row in done.summary("voc_miou", subset="all") if row.method == "evidence")
    assert row.mean["voc_miou"] == pytest.approx(expected, abs=1e-6)
    target, valid = metrics.label_region(segmentation, labels)
    expected = metrics.boundary_f1(masks.amax(1), target, valid, threshold, width=0.01)
    assert table["boundary_f1_1"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    share = (target & valid).flatten(1).sum(1) / valid.flatten(1).sum(1)
    assert table["object_area"].to_numpy() == pytest.approx(share.numpy())


def test_the_classes_that_the_classifier_names_are_asked_for_too(
    done: Results, val: LabelledImages, explanandum: Explanandum
) -> None:
    batch = collate([val[index] for index in range(len(val))])
    with torch.no_grad():
        named = explanandum.probabilities(batch["image"]) >= 0.5
    assert (named & ~batch["labels"].bool()).any()
    masks = batch["image"].mean(1, keepdim=True).sigmoid().expand(-1, named.shape[1], -1, -1)
    threshold = done.settings["thresholds"]["tiny"]["evidence"]["raw"]
    counts = metrics.class_counts(metrics.segment(masks, named, threshold), batch["segmentation"], named.shape[1])
    row = next(row for row in done.summary("voc_miou_predicted", subset="all") if row.method == "evidence")
    assert row.mean["voc_miou_predicted"] == pytest.approx(metrics.voc_miou(counts).item(), abs=1e-6)
    # A method that is asked for the labels alone has no such score.
    assert done.rows("tiny", "cheap")["voc_counts_predicted"].null_count == len(val)


def test_scores_are_those_of_the_metrics(done: Results, val: LabelledImages, explanandum: Explanandum) -> None:
    batch = collate([val[index] for index in range(len(val))])
    labels = batch["labels"].bool()
    target, valid = metrics.label_region(batch["segmentation"], labels)
    mask = batch["image"].mean(1).sigmoid()
    table = done.rows("tiny", "evidence")
    assert table["iou_soft"].to_numpy() == pytest.approx(metrics.soft_iou(mask, target, valid).numpy(), abs=1e-6)
    with torch.no_grad():
        kept = explanandum.probabilities(batch["image"] * mask[:, None])
        whole = explanandum.probabilities(batch["image"])
    assert table["kept"].to_numpy() == pytest.approx(metrics.label_mean(kept, labels).numpy(), abs=1e-6)
    assert table["whole"].to_numpy() == pytest.approx(metrics.label_mean(whole, labels).numpy(), abs=1e-6)


def test_the_best_threshold_comes_from_the_other_split(done: Results, scenes: Path, explanandum: Explanandum) -> None:
    other = open_dataset(f"scenes:{scenes}", "train[:6]", preprocessing=explanandum.preprocessing)
    batch = collate([other[n] for n in range(len(other)) if other.labels[n].any()])
    target, valid = metrics.label_region(batch["segmentation"], batch["labels"].bool())
    curves = metrics.binarised_iou(batch["image"].mean(1).sigmoid(), target, valid, CURVE_THRESHOLDS)
    chosen = done.settings["thresholds"]["tiny"]
    assert chosen["evidence"]["raw"] == CURVE_THRESHOLDS[int(curves.double().mean(0).argmax())]
    assert chosen["evidence"]["raw"] != chosen["evidence"]["minmax"]
    assert not set(done.settings["threshold_data"]["images"]) & set(done.images)
    for step, threshold in chosen["evidence"].items():
        table = done.rows("tiny", "evidence", step)
        place = CURVE_THRESHOLDS.index(threshold)
        assert table["iou_best"].to_pylist() == [curve[place] for curve in table["iou_curve"].to_pylist()]
    # Left out by `without: [threshold]`.
    assert "cheap" not in chosen
    assert done.rows("tiny", "cheap")["f1_best"].null_count == len(done.images)


def test_groups_of_the_subset_are_computed_there_alone(done: Results) -> None:
    subset = set(done.subset_images)
    inside = [name in subset for name in done.images]
    for method in ("evidence", "fails", "nan"):
        for metric in ("insertion", "deletion", "road"):
            column = done.rows("tiny", method, "minmax")[metric].to_pylist()
            assert [value is not None for value in column] == inside
        curves = done.rows("tiny", method)["insertion_curve"].to_pylist()
        assert [curve is not None for curve in curves] == inside
        assert {len(curve) for curve in curves if curve} == {17}
    sensitivity = done.rows("tiny", "evidence")["max_sensitivity"]
    assert [name for name, value in zip(done.images, sensitivity.to_pylist(), strict=True) if value is not None] == (
        done.settings["sample"]
    )
    # Once for each image, under the method's own normalisation.
    assert done.rows("tiny", "evidence", "minmax")["max_sensitivity"].null_count == len(done.images)


def test_without_and_classes_leave_scores_out(done: Results) -> None:
    cheap = done.rows("tiny", "cheap")
    for column in ("insertion", "deletion", "insertion_curve", "specificity"):
        assert cheap[column].null_count == len(done.images)
    assert cheap["road"].null_count == len(done.images) - 4
    assert done.sanity("tiny", "cheap") is None
    assert done.sanity("tiny", "evidence") is not None
    assert cheap["iou_soft"].equals(done.rows("tiny", "evidence")["iou_soft"])


def test_kept_maps(done: Results, val: LabelledImages) -> None:
    kept = done.subset_images[:3]
    for method in done.methods:
        maps = done.maps("tiny", method)
        assert list(maps) == kept
        assert all(values.shape == (6, 32, 32) and values.dtype == np.uint8 for values in maps.values())
    index = val.names.index(kept[0])
    expected = (val[index]["image"].mean(0).sigmoid() * 255).round().numpy()
    assert (done.maps("tiny", "evidence")[kept[0]] == expected).all()
    # Asked for the labels' maps only.
    labels = val.labels[index].bool().numpy()
    assert (done.maps("tiny", "cheap")[kept[0]].any((1, 2)) == labels).all()


def test_draws_depend_on_neither_batch_nor_order(make_settings, tmp_path: Path) -> None:
    one = make_settings({"noise": {"batch_size": 1}}, metrics=["segmentation", "road"], limit=5, fill="noise")
    first = run_benchmark(one, tmp_path / "one").rows("tiny", "noise")
    many = make_settings(
        {"evidence": {}, "noise": {"batch_size": 3}}, metrics=["segmentation", "road"], limit=5, fill="noise"
    )
    again = run_benchmark(many, tmp_path / "many").rows("tiny", "noise")
    assert first.equals(again)
    other = run_benchmark(replace(one, seed=1), tmp_path / "other").rows("tiny", "noise")
    assert not other["iou_soft"].equals(first["iou_soft"])


def test_other_draws_where_the_threshold_is_chosen(make_settings, fakes: ModuleType, tmp_path: Path) -> None:
    settings = make_settings({"noise": {}}, metrics=["segmentation"], threshold_split="train", limit=3)
    run_benchmark(settings, tmp_path / "out")
    own = [seed_of(0, "noise", index) for index in range(3)]
    held_out = [seed_of(0, "noise", HELD_OUT, index) for index in range(3)]
    assert len({*own, *held_out}) == 6
    assert fakes.SEEDS[-6:] == [*held_out, *own]


def test_modules_are_asked_in_evaluation_mode_and_restored(make_settings, fakes: ModuleType, tmp_path: Path) -> None:
    settings = make_settings({"module": {}}, metrics=["segmentation"], limit=3, threshold_split="train")
    plan = make_plan(settings)
    method = plan.tasks[0].caller.method
    method.train()
    method.frozen.eval()
    folder = Folder(tmp_path / "out")
    with folder.claimed(record_of(settings, plan)), torch.no_grad():
        _Run(plan, folder, Timetable()).everything()
    assert method.modes
    assert not any(method.modes)
    assert method.training
    assert method.dropout.training
    assert not method.frozen.training


def test_the_passes_of_each_group_are_as_documented(make_settings, tmp_path: Path) -> None:
    documented = {"segmentation": 0, "classes": 0, "predicted": 0, "boundary": 0, "saliency": 1, "kept": 2}
    for group, passes in {**documented, "top_area": 2, "insertion": 34, "road": 8}.items():
        run_benchmark(make_settings({"evidence": {}}, metrics=[group], limit=2), tmp_path / group)
        part = tmp_path / group / "scores" / "tiny" / "evidence" / "part-00000.parquet"
        facts = {name.decode(): json.loads(value) for name, value in pq.read_schema(part).metadata.items()}
        assert (facts["images"], facts["forwards_scoring"]) == (2, 2 * passes), group
        assert facts["seconds_maps"] > 0
