"""A tiny classifier, a few generated scenes, methods that fail, and one benchmark of them all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from explanans.benchmark.results import Results
from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.settings import BenchmarkSettings, MethodSettings
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.data import LabelledImages, open_dataset
from explanans.data.scenes import CLASSES, write_scenes
from explanans.images.preprocessing import Preprocessing
from explanans.methods import METHODS

HERE = Path(__file__).parent
MakeSettings = Callable[..., BenchmarkSettings]


@pytest.fixture(scope="session")
def fakes() -> Iterator[ModuleType]:
    sys.path.insert(0, str(HERE))
    import benchmark_fakes

    benchmark_fakes.register()
    yield benchmark_fakes
    for name in benchmark_fakes.entries():
        del METHODS[name]
    sys.path.remove(str(HERE))


@pytest.fixture(autouse=True)
def _nothing_called_yet(fakes: ModuleType) -> None:
    fakes.CALLS.clear()
    fakes.LIMITS.clear()
    fakes.SEEDS.clear()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="session")
def scenes(folder: Path) -> Path:
    return write_scenes(folder / "scenes", train=10, val=10, test=0, size=48, quiet=True)


def classifier(classes: tuple[str, ...], seed: int = 0, size: int = 32) -> Explanandum:
    torch.manual_seed(seed)
    source = Source("explanans:small_resnet", {"num_classes": len(classes), "widths": [4, 8]})
    preprocessing = Preprocessing(size, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(build(source), classes=classes, activation="sigmoid", preprocessing=preprocessing, source=source)


@pytest.fixture(scope="session")
def explanandum() -> Explanandum:
    """Has learned nothing, and answers."""
    return classifier(tuple(CLASSES))


@pytest.fixture(scope="session")
def saved(folder: Path, explanandum: Explanandum) -> Path:
    explanandum.save(folder / "classifier")
    return folder / "classifier"


@pytest.fixture(scope="session")
def val(scenes: Path, explanandum: Explanandum) -> LabelledImages:
    """The images that a benchmark measures: those of val with a label."""
    dataset = open_dataset(f"scenes:{scenes}", "val", preprocessing=explanandum.preprocessing)
    return dataset.subset(dataset.labels.bool().any(1).nonzero().flatten())


@pytest.fixture(scope="session")
def brightest(val: LabelledImages) -> tuple[int, float]:
    """Position of the brightest image, and a brightness that it alone exceeds."""
    means = torch.stack([val[index]["image"].mean() for index in range(len(val))])
    first, second = means.topk(2).values.tolist()
    return int(means.argmax()), (first + second) / 2


@pytest.fixture(scope="session")
def make_settings(scenes: Path, saved: Path, fakes: ModuleType) -> MakeSettings:
    """``make_settings(methods, **changes)``: methods by name, each with what MethodSettings is given."""

    def make(methods: dict[str, dict[str, Any]], **changes: Any) -> BenchmarkSettings:
        few = {"batch_size": 4, "keep_maps": 3, "cost_images": 1, "subset_size": 4, "sample_size": 2}
        given = {"classifiers": {"tiny": str(saved)}, "data": f"scenes:{scenes}", "device": "cpu", **few, **changes}
        return BenchmarkSettings(methods={name: MethodSettings(**each) for name, each in methods.items()}, **given)

    return make


@pytest.fixture(scope="session")
def everything(make_settings: MakeSettings, brightest: tuple[int, float]) -> BenchmarkSettings:
    """Every group of scores, and every kind of trouble."""
    above = brightest[1]
    methods = {
        "evidence": {},
        "fails": {"settings": {"above": above}},
        "nan": {"settings": {"above": above}},
        "slow": {"method": "noise", "title": "slow noise", "subset": "shared"},
        "cheap": {"method": "evidence", "without": ["insertion", "sanity", "threshold"], "classes": "labels"},
    }
    return make_settings(
        methods,
        threshold_split="train[:6]",
        metrics=["classes", "predicted", "segmentation", "boundary", "saliency", "kept", "specificity"],
        subset_metrics=["insertion", "road", "sensitivity", "sanity", "top_area", "grid"],
        also_normalise=["minmax"],
        reference="evidence",
        sensitivity_samples=2,
        sanity_stages=2,
    )


@pytest.fixture(scope="session")
def done(folder: Path, everything: BenchmarkSettings) -> Results:
    return run_benchmark(everything, folder / "done")


@pytest.fixture(scope="session")
def make_classifier() -> Callable[..., Explanandum]:
    """``make_classifier(classes, seed, size)``"""
    return classifier
