from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from explanans.benchmark.plan import Plan, Task, arguments, make_plan
from explanans.benchmark.record import record_of
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import MethodSettings
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.errors import InputError


@pytest.fixture
def photos(tmp_path: Path, explanandum: Explanandum) -> Path:
    """A folder without segmentations: two pictures of each class."""
    for n, name in enumerate(explanandum.classes):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(2):
            Image.new("RGB", (40, 40), (40 * n, 100 * k, 90)).save(tmp_path / "photos" / name / f"{n}{k}.png")
    return tmp_path / "photos"


def task(plan: Plan, name: str) -> Task:
    return next(each for each in plan.tasks if each.name == name)


def test_a_task_is_decided_once_for_each_classifier_and_method(make_settings, saved: Path, val: LabelledImages) -> None:
    methods = {
        "grad_cam": {"without": ["threshold", "road"]},
        "mine": {"method": "evidence", "settings": {"scale": 0.5}, "subset": "shared", "classes": "labels"},
        "both": {"method": "grad_cam", "title": "CAM", "normalisations": ["raw", "minmax"], "batch_size": 9},
        "ground_truth": {},
    }
    settings = make_settings(
        methods,
        classifiers={"a": str(saved), "b": str(saved)},
        metrics=["segmentation", "specificity"],
        subset_metrics=["road", "sensitivity", "sanity"],
        also_normalise=["minmax", "raw"],
        threshold_split="train",
        batch_size=16,
    )
    plan = make_plan(settings)
    assert [(each.station.name, each.name) for each in plan.tasks] == [(c, m) for c in "ab" for m in methods]
    cam, mine, both, truth = plan.tasks[:4]
    assert [each.title for each in plan.tasks[:4]] == ["Grad-CAM", "the evidence", "CAM", "ground truth"]
    assert cam.normalisations == ("minmax", "raw")
    assert mine.normalisations == both.normalisations == ("raw", "minmax")
    assert [each.batch_size for each in plan.tasks[:4]] == [16, 4, 9, 16]
    assert cam.held_out_images == ()
    assert len(mine.held_out_images) == 4 < len(both.held_out_images)
    everything, subset = range(len(val)), frozenset(plan.subset)
    assert cam.groups == {"segmentation": everything, "specificity": everything}
    assert mine.groups == {"segmentation": everything, "road": subset}
    assert list(both.groups) == ["segmentation", "road", "specificity"]
    assert cam.cost_images == plan.sample[:1]
    assert cam.sensitivity_images == cam.sanity_images == truth.sensitivity_images == plan.sample
    assert truth.cost_images == truth.sanity_images == ()
    assert mine.make(plan.stations[1].explanandum).scale == 0.5


def test_settings_of_a_method_may_name_the_classifier() -> None:
    method = MethodSettings("explainer", settings={"explainer": "runs/{classifier}/e", "n": 2})
    assert arguments(method, "vgg") == {"explainer": "runs/vgg/e", "n": 2}


def test_a_record_names_the_subset_where_something_is_measured_on_it(make_settings) -> None:
    for changes, named in (({}, False), ({"subset_metrics": ["road"]}, True)):
        settings = make_settings({"evidence": {}}, **changes)
        assert (record_of(settings, make_plan(settings))["subset"] is not None) == named


def test_the_subset_is_seeded_and_the_same_for_all(make_settings, saved: Path, val: LabelledImages) -> None:
    methods = {"evidence": {"subset": "shared"}, "noise": {"subset": "shared"}, "cheap": {"method": "evidence"}}
    settings = make_settings(methods)
    plan = make_plan(settings)
    assert task(plan, "evidence").images == task(plan, "noise").images == plan.subset
    assert list(task(plan, "cheap").images) == list(range(len(val)))
    assert len(plan.subset) == 4
    assert list(plan.subset) == sorted(plan.subset)
    assert set(plan.sample) < set(plan.subset)
    assert plan.kept == plan.subset[:3]
    assert make_plan(make_settings({"noise": {}}, classifiers={"other": str(saved)})).subset == plan.subset
    seeds = {make_plan(make_settings({"noise": {}}, seed=seed)).subset for seed in range(4)}
    assert len(seeds) > 1
    record = json.loads(json.dumps(record_of(settings, plan)))
    assert record["subset"]["images"] == [val.names[index] for index in plan.subset]
    assert record["data"]["images"] == list(val.names)
    # Pictures show the same images of a slow method that is added later.
    assert make_plan(make_settings({"cheap": {"method": "evidence"}})).kept == plan.kept


def test_limit_takes_the_first_that_have_a_label(make_settings, val: LabelledImages) -> None:
    plan = make_plan(make_settings({"evidence": {}}, limit=3, threshold_split="train"))
    assert plan.stations[0].dataset.names == val.names[:3]
    assert task(plan, "evidence").held_out_images == range(3)
    assert len(plan.subset) == 3


def test_background_is_nothing_to_be_found(make_settings, val: LabelledImages, tmp_path: Path) -> None:
    alone = val.labels[val.labels.sum(1) == 1].any(0).tolist()
    sky = next(name for name, has in zip(val.classes, alone, strict=True) if has)
    place = val.classes.index(sky)
    settings = make_settings({"ground_truth": {}, "constant_1": {}}, background=[sky], metrics=["classes", "predicted"])
    plan = make_plan(settings)
    dataset = plan.stations[0].dataset
    others = (val.labels.sum(1) - val.labels[:, place]).bool()
    left_out = [name for name, has in zip(val.names, others.tolist(), strict=True) if not has]
    assert left_out
    assert dataset.names == tuple(name for name in val.names if name not in left_out)
    assert set(left_out) <= set(plan.stations[0].without_label)
    assert not dataset.labels[:, place].any()
    assert record_of(settings, plan)["settings"]["background"] == [sky]
    results = run_benchmark(settings, tmp_path / "out")
    truth, ones = results.summary("class_iou_soft")
    assert truth.mean["class_iou_soft"] == 1
    assert not any(sky in labels for labels in results.rows("tiny", "ground_truth")["labels"].to_pylist())
    regions = [
        [(sample["segmentation"] == c + 1).float().mean() for c in sample["labels"].nonzero().flatten().tolist()]
        for sample in (dataset[index] for index in range(len(dataset)))
    ]
    expected = sum(float(sum(each) / len(each)) for each in regions) / len(regions)
    assert ones.mean["class_iou_soft"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match=r"other settings: .*settings\.background"):
        run_benchmark(make_settings({"ground_truth": {}}, metrics=["classes", "predicted"]), tmp_path / "out")
    with pytest.raises(InputError, match=r"background: \['skyy'\] are no classes"):
        make_plan(make_settings({"evidence": {}}, background=["skyy"]))
    with pytest.raises(InputError, match=r"no image has a label besides \["):
        make_plan(make_settings({"evidence": {}}, background=list(val.classes)))


def test_overlapping_splits_are_refused(make_settings) -> None:
    for split, other in (("val", "val[5:]"), ("train[:6]", "train[3:]")):
        with pytest.raises(InputError, match=r"threshold_split=.* shares \d images with split=.*other images"):
            make_plan(make_settings({"evidence": {}}, split=split, threshold_split=other))
    make_plan(make_settings({"evidence": {}}, split="train[:5]", threshold_split="train[5:]"))


def test_data_without_segmentations(make_settings, photos: Path, explanandum: Explanandum) -> None:
    with pytest.raises(InputError, match="not every image has a segmentation"):
        make_plan(make_settings({"evidence": {}}, data=f"folder:{photos}", split="all"))
    with pytest.raises(InputError, match="threshold_split compare"):
        make_plan(
            make_settings(
                {"evidence": {}}, data=f"folder:{photos}", split="all[:6]", threshold_split="all[6:]", metrics=["kept"]
            )
        )
    plan = make_plan(make_settings({"evidence": {}}, data=f"folder:{photos}", split="all", metrics=["kept"]))
    assert len(plan.stations[0].dataset) == 12


def test_measured_without_segmentations(make_settings, photos: Path, tmp_path: Path) -> None:
    asked = ["saliency", "kept", "specificity"]
    settings = make_settings({"evidence": {}}, data=f"folder:{photos}", split="all[:4]", metrics=asked)
    results = run_benchmark(settings, tmp_path / "out")
    rows = results.rows("tiny", "evidence")
    assert rows["iou_soft"].null_count == 4
    assert rows["status"].to_pylist() == ["ok"] * 4
    assert rows["saliency"].null_count == rows["specificity"].null_count == 0


def test_classifiers_of_different_classes(make_settings, saved: Path, make_classifier, tmp_path: Path) -> None:
    make_classifier(("cat", "dog")).save(tmp_path / "pets")
    with pytest.raises(InputError, match=r"'tiny' has the classes .*'pets' has \['cat', 'dog'\].*same order"):
        make_plan(make_settings({"evidence": {}}, classifiers={"tiny": str(saved), "pets": str(tmp_path / "pets")}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fill": "beige-ish"}, "fill='beige-ish'"),
        ({"device": "toaster"}, "device='toaster' cannot be used"),
        ({"device": "xpu:7"}, "device='xpu:7' cannot be used"),
        ({"data": "scenes:/no/such/folder"}, "/no/such/folder"),
        ({"classifiers": {"x": "/no/such/classifier"}}, "/no/such/classifier"),
        ({"split": "test"}, "test"),
    ],
)
def test_nothing_is_written_for_what_cannot_be_used(make_settings, tmp_path: Path, changes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_benchmark(make_settings({"evidence": {}}, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_settings_that_a_method_does_not_have(make_settings) -> None:
    with pytest.raises(InputError, match=r"method 'evidence': .*colour"):
        make_plan(make_settings({"evidence": {"settings": {"colour": "red"}}}))


def test_sanity_needs_a_window(make_settings, explanandum: Explanandum, make_classifier, tmp_path: Path) -> None:
    make_classifier(explanandum.classes, size=8).save(tmp_path / "small")
    with pytest.raises(InputError, match=r"at least 11 pixels a side; these have \(8, 8\)"):
        make_plan(make_settings({"evidence": {}}, classifiers={"s": str(tmp_path / "small")}, metrics=["sanity"]))
