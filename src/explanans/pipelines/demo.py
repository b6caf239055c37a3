"""Everything once, in minutes, without a download: pictures, a classifier, its Explainer, a comparison, a report."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from explanans.benchmark import BenchmarkSettings, MethodSettings, Results, run_benchmark
from explanans.benchmark.report.demo_page import write_report
from explanans.benchmark.timetable import followed
from explanans.classifiers.explanandum import Explanandum
from explanans.data import open_dataset
from explanans.data.scenes import write_scenes
from explanans.explainers.explainer import Explainer
from explanans.training import Optimizer, Run, Verdict, fit
from explanans.training.curves import read_curves
from explanans.training.fit_classifier import FROM_SCRATCH, fit_classifier
from explanans.training.sharing import AUTO, Threads, sharing

NETWORK = "compact/small_resnet"
SHOWN = 12
BATCH = 50
"""Pictures per call when methods are compared."""


@dataclass(frozen=True)
class Recipe:
    """How much of everything.

    Args:
        train, val, test: pictures.
        classifier_epochs, explainer_epochs: over the training pictures.
    """

    train: int = 3400
    val: int = 200
    test: int = 300
    classifier_epochs: int = 13
    explainer_epochs: int = 3


FULL = Recipe()
QUICK = Recipe(train=600, val=100, test=100, classifier_epochs=4, explainer_epochs=2)
# Objects are small here, so hiding much would often hide them whole.
BLANKS, HIDDEN = 0.125, 0.25
# The paper's four terms with other weights: here the classes of an image should vanish from what is left out, and the
# size of the objects is known to nobody.
OBJECTIVE = "stalder2022"
SETTINGS = {
    "entropy_weight": 0.5,
    "ignorance": "absent",
    "target_weight": 0.5,
    "non_target_weight": 1.0,
    "bound_weight": 0.0,
    "tv_weight": 1.5,
}
MASKS = Optimizer(3e-3, weight_decay=0.01, schedule="cosine", ema_decay=0.99)


@dataclass(frozen=True)
class Demo:
    """What a demo made: the report, the comparison in it, the seconds that its parts took in this call."""

    report: Path
    results: Results
    seconds: dict[str, float]


def run_demo(
    out: str | Path = "demo",
    *,
    seed: int = 0,
    recipe: Recipe = FULL,
    threads: Threads = AUTO,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Demo:
    """Generate scenes, train a classifier and an Explainer from scratch, compare on unseen scenes, write a report.

    Every part resumes: a second call with the same settings continues where the first was stopped.

    Args:
        out: gets ``scenes``, ``classifier``, ``explainer`` (run folders), ``benchmark`` and ``report.html``.
        seed: of pictures, weights and draws.
        recipe: how much of everything.
        threads: of the trainings and the comparison, see :class:`explanans.training.Run`.
        progress: say how far each part is, on standard error.
        say: is told what is being done.
    """
    out = Path(out)
    seconds: dict[str, float] = {}

    @contextmanager
    def part(name: str, text: str) -> Iterator[None]:
        say(text)
        start = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - start

    data = f"scenes:{out / 'scenes'}"
    settings = Run(
        batch_size=16,
        patience=0,
        seed=seed,
        precision="auto",
        channels_last=True,
        threads=threads,
        progress=progress,
    )
    with part("pictures", f"1/5  drawing {recipe.train + recipe.val + recipe.test:,} pictures"):
        write_scenes(
            out / "scenes",
            train=recipe.train,
            val=recipe.val,
            test=recipe.test,
            seed=seed,
            workers=min(4, os.cpu_count() or 1),
            quiet=not progress,
        )
    with part("classifier", f"2/5  training the classifier, {recipe.classifier_epochs} epochs from scratch"):
        folder = fit_classifier(
            "explanans:small_resnet",
            data,
            weights=None,
            augment="turn",
            blanks=BLANKS,
            hidden=HIDDEN,
            optimizer=FROM_SCRATCH,
            run=replace(settings, max_epochs=recipe.classifier_epochs),
            out=out / "classifier",
        )
        classifier = Explanandum.load(folder)
    with part("explainer", f"3/5  training the Explainer, {recipe.explainer_epochs} epochs"):
        explainer = Explainer(classifier, NETWORK, encoder_weights="explanandum")
        saved = fit(
            explainer,
            data,
            objective=OBJECTIVE,
            objective_options=SETTINGS,
            augment="turn",
            optimizer=MASKS,
            run=replace(settings, max_epochs=recipe.explainer_epochs, gradient_clip_val=5.0),
            # The comparison that follows knows the true objects.
            verdict=Verdict(images=0),
            out=out / "explainer",
        )
    asked = comparison(data, folder, saved, recipe.test, seed)
    with (
        sharing(threads),
        part("comparison", f"4/5  comparing on {recipe.test} unseen pictures"),
        followed(show=progress) as timetable,
    ):
        results = run_benchmark(asked, out / "benchmark", timetable)
    with part("report", "5/5  writing the report"):
        scores = json.loads((folder / "explanandum.json").read_text(encoding="utf-8"))["metrics"]
        test = open_dataset(data, "test", preprocessing=classifier.preprocessing)
        report = write_report(
            out / "report.html",
            explainer=explainer,
            scenes=test.subset(test.labels.any(1).nonzero().flatten()[:SHOWN]),
            results=results,
            classifier_curves=read_curves(out / "classifier" / "metrics.csv"),
            explainer_curves=read_curves(out / "explainer" / "metrics.csv"),
            classifier_scores=scores,
            facts=_facts(results, seconds),
            commands=next_commands(out, saved),
            show=progress,
        )
    return Demo(report, results, seconds)


def comparison(data: str, classifier: Path, explainer: Path, thresholds: int, seed: int) -> BenchmarkSettings:
    """The Explainer, Grad-CAM and constants on the test pictures; so many training pictures choose best thresholds."""
    return BenchmarkSettings(
        classifiers={"small_resnet": str(classifier)},
        data=data,
        methods={
            "explainer": MethodSettings(settings={"explainer": str(explainer)}),
            **{name: MethodSettings() for name in ("grad_cam", "constant_half", "constant_1")},
        },
        split="test",
        threshold_split=f"train[:{thresholds}]",
        metrics=["segmentation", "saliency"],
        reference="explainer",
        seed=seed,
        batch_size=BATCH,
        subset_size=2 * BATCH,
        sample_size=2 * BATCH,
        cost_images=2 * BATCH,
        cost_batch_size=BATCH,
    )


def peak_memory() -> float:
    """The most memory that this process has held so far, in GB; NaN where the system does not tell."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e9 if sys.platform == "darwin" else used * 1024 / 1e9


def next_commands(out: Path, saved: Path) -> list[str]:
    """What to type after the demo."""
    return [
        "# explain the demo's own pictures, or any other picture",
        f"explanans explain {saved} {out / 'scenes' / 'JPEGImages'} --out {out / 'explanations'}",
        "",
        "# every score of the comparison, with intervals, photos and curves",
        f"explanans report {out / 'benchmark'}",
        "",
        "# the same with your pictures: a folder with a sub-folder per class, a table, or VOC's layout",
        "explanans classifier fit timm:resnet50 folder:my-pictures --activation softmax",
        "explanans fit runs/classifier/classifier folder:my-pictures",
        "explanans explain runs/explainer/explainer my-pictures --out explanations",
    ]


def _facts(results: Results, seconds: dict[str, float]) -> list[tuple[str, str]]:
    cost = results.costs(results.classifiers[0], "explainer") or {}
    total = sum(seconds.values())
    facts = []
    if "ms_per_image" in cost:
        facts = [(f"{cost['ms_per_image']:.1f} ms", "per picture, for the masks of all classes, on this machine")]
    # After a resumption the time of this call says little.
    if seconds["classifier"] > seconds["comparison"]:
        length = f"{total / 60:.0f} min" if total > 90 else f"{total:.0f} s"
        facts.append((length, f"for everything, with {peak_memory():.1f} GB"))
    return facts
