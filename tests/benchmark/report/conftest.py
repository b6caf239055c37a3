"""Result folders of benchmarks that never ran: seeded, plausible numbers over generated scenes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanans.benchmark.columns import COLUMNS, CURVE_THRESHOLDS, MADE_FROM, SCHEMA
from explanans.data import LabelledImages, open_dataset
from explanans.data.scenes import write_scenes
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=48, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
STEPS = 16
FEW = ("segmentation", "saliency", "kept")
MANY = ("segmentation", "saliency", "kept", "insertion", "road", "specificity", "sensitivity")


def method(
    title: str,
    quality: float = 0.5,
    ms: float = 10.0,
    *,
    kind: str = "any",
    subset: str = "all",
    normalisations: Sequence[str] = ("raw",),
    failed: Sequence[int] = (),
    nan: Sequence[int] = (),
    missing: Sequence[str] = (),
) -> dict[str, Any]:
    """A method to fabricate: ``quality`` in [0, 1] moves every score; ``missing`` are columns left empty."""
    return locals()


def fabricate(
    folder: Path,
    scenes: LabelledImages,
    methods: dict[str, dict[str, Any]],
    *,
    classifiers: Sequence[str] = ("resnet",),
    groups: Sequence[str] = MANY,
    shared: int = 0,
    keep: int = 6,
    seed: int = 0,
    values: Callable[[str, str, int], float | None] | None = None,
) -> Path:
    """A folder as ``explanans benchmark`` leaves it.

    Args:
        shared: images of the shared subset; 0 for none.
        keep: images whose maps are kept.
        values: (metric, method, index) → what to write instead of a random number; None for a random one.
    """
    names, count = list(scenes.names), len(scenes)
    generator = np.random.default_rng(seed)
    subset = sorted(generator.permutation(count)[:shared].tolist())
    kept = (subset or list(range(count)))[:keep]
    record = {
        "settings": {"metrics": list(groups), "fill": "mean", "split": "test"},
        "versions": {"explanans": "0.1", "torch": "2"},
        "seed": seed,
        "machine": {"cores": 2, "architecture": "x86_64", "device": "cpu", "device_name": "cpu"},
        "data": {"name": scenes.name, "split": "test", "fingerprint": scenes.fingerprint(), "images": names},
        "threshold_data": None,
        "classifiers": {
            name: {
                "classes": list(scenes.classes),
                "activation": "sigmoid",
                "preprocessing": PREPROCESSING.to_dict(),
                "weights_hash": "0" * 64,
            }
            for name in classifiers
        },
        "methods": {
            name: {
                "title": each["title"],
                "method": name if each["kind"] == "any" else each["kind"],
                "settings": {},
                "normalisations": list(each["normalisations"]),
                "subset": each["subset"],
                "classes": "all",
                "weights": dict.fromkeys(classifiers),
            }
            for name, each in methods.items()
        },
        "subset": {"name": "shared", "size": shared, "seed": seed, "images": [names[i] for i in subset]}
        if shared
        else None,
        "reference": next(iter(methods)),
        "curve_thresholds": list(CURVE_THRESHOLDS),
        "thresholds": {},
    }
    folder.mkdir(parents=True)
    (folder / "benchmark.json").write_text(json.dumps(record))
    hardness = generator.normal(0, 0.12, count)
    for classifier in classifiers:
        for name, each in methods.items():
            indices = subset if each["subset"] == "shared" else range(count)
            rows = []
            for index in indices:
                for step, normalisation in enumerate(each["normalisations"]):
                    rows.append(_row(generator, scenes, name, each, index, hardness[index], groups, values, step))
                    rows[-1]["normalisation"] = normalisation
            for part, start in enumerate(range(0, len(rows), 16)):
                path = folder / "scores" / classifier / name / f"part-{part:05d}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.Table.from_pylist(rows[start : start + 16], schema=SCHEMA), path)
            _write_json(folder / "costs" / classifier / f"{name}.json", _cost(each, len(scenes.classes)))
            maps = {names[i]: _maps(generator, scenes, i, each) for i in kept if i not in each["failed"]}
            path = folder / "maps" / classifier / f"{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, **maps)
    return folder


def _row(
    generator: np.random.Generator,
    scenes: LabelledImages,
    name: str,
    each: dict[str, Any],
    index: int,
    hardness: float,
    groups: Sequence[str],
    values: Callable[[str, str, int], float | None] | None,
    step: int,
) -> dict[str, Any]:
    labels = scenes.labels[index].bool().numpy()
    status = "failed" if index in each["failed"] else "nan" if index in each["nan"] else "ok"
    level = float(np.clip(each["quality"] - 0.05 * step + hardness + generator.normal(0, 0.05), 0.02, 0.98))
    row: dict[str, Any] = {
        "image": scenes.names[index],
        "index": index,
        "labels": [scenes.classes[c] for c in labels.nonzero()[0]],
        "status": status,
        "error": "RuntimeError: <no> layer & no map" if status == "failed" else "",
    }
    for metric, column in COLUMNS.items():
        if metric in MADE_FROM or column.group not in groups or metric in each["missing"]:
            continue
        given = values(metric, name, index) if values else None
        noisy = float(np.clip(level + generator.normal(0, 0.04), 0, 1))
        drawn = noisy if column.higher_is_better is not False else 1 - noisy
        drawn = 3 * drawn - 0.5 if metric == "saliency" else drawn
        row[metric] = given if given is not None else drawn if status == "ok" or metric == "whole" else column.worst
        if metric == "max_sensitivity" and index >= 8:
            row[metric] = None
        if not math.isfinite(row[metric] or 0.0):
            row[metric] = None
    if "segmentation" in groups:
        grid = np.array(CURVE_THRESHOLDS)
        shape = np.exp(-((grid - 0.45) ** 2) / (0.05 + 0.3 * level))
        row["f1_curve"], row["iou_curve"] = (shape * level).tolist(), (shape * level * 0.85).tolist()
    if "insertion" in groups:
        along = np.linspace(0, 1, STEPS + 1)
        row["insertion_curve"] = (along ** (1.2 - level)).tolist()
        row["deletion_curve"] = ((1 - along) ** (0.5 + 3 * level)).tolist()
    if "specificity" in groups:
        table = np.full((len(labels), len(labels)), 0.9 * (1 - level) / len(labels))
        table[np.diag_indices(len(labels))] = level
        row["specificity"] = table.flatten().tolist()
    return row


def _cost(each: dict[str, Any], classes: int) -> dict[str, Any]:
    passes = max(0.0, each["ms"] / 12)
    return {
        "ms_per_image": each["ms"],
        "ms_per_image_all_classes": each["ms"] * (1 if each["ms"] < 20 else classes),
        "peak_memory_mb": 80 + each["ms"] ** 0.5,
        "forwards_per_image": passes,
        "backwards_per_image": passes / 2,
        "network_forwards_per_image": 0,
        "device": "cpu",
        "batch_size": 1,
        "threads": 2,
        "warm_up": 1,
    }


def _maps(generator: np.random.Generator, scenes: LabelledImages, index: int, each: dict[str, Any]) -> np.ndarray:
    """Between the true object and a blob somewhere, the better the method the closer to the first."""
    truth = scenes[index]["segmentation"].numpy()
    height, width = truth.shape
    maps = np.zeros((len(scenes.classes), height, width), np.float32)
    y, x = np.mgrid[:height, :width]
    for c in range(len(scenes.classes)):
        inside = truth == c + 1
        place = np.argwhere(inside).mean(0) if inside.any() else generator.uniform(0, height, 2)
        place = place + generator.normal(0, 0.2 * height * (1 - each["quality"]), 2)
        blob = np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * (0.16 * height) ** 2))
        maps[c] = each["quality"] * inside * 0.9 + (1 - each["quality"]) * blob
    return np.rint(255 * maps.clip(0, 1)).astype(np.uint8)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def labelled(folder: Path, count: int, size: int = 48) -> LabelledImages:
    """``count`` scenes that show an object."""
    write_scenes(folder, train=0, val=0, test=2 * count, size=size, quiet=True)
    preprocessing = Preprocessing(size=size, mean=PREPROCESSING.mean, std=PREPROCESSING.std)
    dataset = open_dataset(f"scenes:{folder}", "test", preprocessing=preprocessing)
    return dataset.subset(dataset.labels.any(1).nonzero().flatten()[:count])


THREE = {
    "explainer": method("Explainer", 0.75, 9.0),
    "grad_cam": method("Grad-CAM", 0.5, 14.0, normalisations=("minmax", "raw"), nan=(3,)),
    "constant_1": method("constant 1", 0.25, 0.02, kind="constant_1"),
}


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return labelled(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory, scenes: LabelledImages) -> Path:
    """Two methods, one of them under two normalisations, and a constant, on 24 images."""
    return fabricate(tmp_path_factory.mktemp("three") / "results", scenes, THREE)


@pytest.fixture
def make_results(tmp_path: Path, scenes: LabelledImages) -> Callable[..., Path]:
    """``make_results(methods, **options)``: another folder, see :func:`fabricate`."""

    def make(methods: dict[str, dict[str, Any]], **options: Any) -> Path:
        return fabricate(tmp_path / "results", scenes, methods, **options)

    return make
