"""Peak memory and time of a training step with many classes, beside one with few.

    python benchmarks/many_classes_training.py [--classes 20 1000] [--objectives guided …] [--network auto]

``explanans.fit`` as a newcomer has it: 16 pictures of noise in a batch, 224 px, one to three of the classes each, four
short epochs with their validation, calibration at the end and no verdict; MobileNetV2 of random weights, one thread.
Each line is measured in a process of its own, ``--turns`` times in turns: the peak resident memory of the whole process
(median), and the processor time of a step: in the first 30 % of a training, in the rest, and the mean over both (lowest
of the turns, each the median of its steps).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

BATCH, BATCHES, EPOCHS, EARLY = 16, 3, 4, 0.3
OBJECTIVES = ("guided", "stalder2022", "dabkowski2017")


Asked = list[tuple[float, float] | None]


def seconds(asked: Asked, *, early: bool) -> float:
    """Median of a step; the first one, which warms up, is none of them."""
    steps = [
        then[0] - now[0]
        for now, then in pairwise(asked[1:])
        if now is not None and then is not None and (then[1] < EARLY) == (now[1] < EARLY) == early
    ]
    return statistics.median(steps)


def pictures(classes: int, folder: Path, preprocessing: Any) -> Any:
    import numpy as np
    import torch
    from PIL import Image

    from explanans.data import LabelledImages

    random = np.random.default_rng(0)
    count = BATCH * BATCHES
    labels = torch.zeros(count, classes)
    paths = [folder / f"{number}.png" for number in range(count)]
    for row, path in zip(labels, paths, strict=True):
        Image.fromarray(random.integers(0, 256, (preprocessing.height, preprocessing.width, 3), np.uint8)).save(path)
        row[random.choice(classes, random.integers(1, 4), replace=False)] = 1
    return LabelledImages(
        name="noise",
        classes=[f"class {number}" for number in range(classes)],
        paths=paths,
        names=[path.stem for path in paths],
        labels=labels,
        preprocessing=preprocessing,
    )


def measure(objective: str, classes: int, network: str, precision: str) -> dict[str, float]:
    import tempfile
    from dataclasses import replace

    import timm
    import torch

    from explanans import Explainer, Explanandum, Preprocessing, fit
    from explanans.objectives import make_objective
    from explanans.training import Calibration, Verdict, newcomer
    from explanans.utils.memory import keep_freed_memory

    torch.set_num_threads(1)
    # As the command does.
    keep_freed_memory()
    torch.manual_seed(0)
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.5,) * 3)
    classifier = Explanandum(
        timm.create_model("mobilenetv2_100", num_classes=classes),
        classes=[f"class {number}" for number in range(classes)],
        activation="sigmoid",
        preprocessing=preprocessing,
    )
    explainer = Explainer(classifier, network, encoder_weights=None)
    named, asked = make_objective(objective), Asked()

    def timed(logits: Any, images: Any, labels: Any, explanandum: Any, progress: float, generator: Any) -> Any:
        # None is a batch of a validation.
        asked.append((time.process_time(), progress) if torch.is_grad_enabled() else None)
        return named(logits, images, labels, explanandum, progress, generator)

    # A training hands maps class by class to an objective that says so.
    timed.by_class = named.by_class  # type: ignore[attr-defined]
    run = replace(
        newcomer.RUN, max_epochs=EPOCHS, batch_size=BATCH, threads=1, accelerator="cpu", precision=precision,
        progress=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        data = pictures(classes, Path(folder), preprocessing)
        fit(
            explainer,
            data,
            validation=data,
            objective=timed,
            run=run,
            calibration=Calibration(images=2),
            # A network of random weights sees hundreds of classes, of which each would be asked about.
            verdict=Verdict(images=0),
            out=Path(folder) / "run",
        )
    early, late = seconds(asked, early=True), seconds(asked, early=False)
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "early": early,
        "late": late,
        "mean": EARLY * early + (1 - EARLY) * late,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", type=int, nargs="+", default=(20, 1000))
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=OBJECTIVES[:2])
    parser.add_argument("--network", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--measure", nargs=2, metavar=("OBJECTIVE", "CLASSES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        objective, classes = given.measure
        print(json.dumps(measure(objective, int(classes), given.network, given.precision)))
        return
    settings = [f"--network={given.network}", f"--precision={given.precision}"]
    for objective in given.objectives:
        found: dict[int, list[dict[str, float]]] = {classes: [] for classes in given.classes}
        for _ in range(given.turns):
            for classes, results in found.items():
                words = [sys.executable, __file__, *settings, "--measure", objective, str(classes)]
                results.append(json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout))
        for classes, results in found.items():
            peak = statistics.median(each["peak"] for each in results)
            taken = {name: min(each[name] for each in results) for name in ("early", "late", "mean")}
            shown = ", ".join(f"{name} {value:.2f} s" for name, value in taken.items())
            print(f"{objective:14} {given.network:8} {classes:6,} classes: {peak:.2f} GiB, {shown}", flush=True)


if __name__ == "__main__":
    main()
